/* SPDX-License-Identifier: Apache-2.0 */
/* speech - how programs speak, out of transactions, for fingerprints. */
#pragma once

struct fingerprint;
struct inspect_frame;
struct proto_tx;

/* News of a transaction, see inspect_setup.on_tx. */
void recover_speech(
	struct fingerprint *fingerprint, const struct inspect_frame *frame, struct proto_tx *tx);
