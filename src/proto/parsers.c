/* SPDX-License-Identifier: Apache-2.0 */
/* Which parsers there are, in the order in which they are asked whose the first bytes are. */
#include "proto/inside.h"

extern const struct proto_parser proto_dcerpc;
extern const struct proto_parser proto_dns;
extern const struct proto_parser proto_ftp;
extern const struct proto_parser proto_ftp_data;
extern const struct proto_parser proto_http;
extern const struct proto_parser proto_ldap;
extern const struct proto_parser proto_llmnr;
extern const struct proto_parser proto_sip;
extern const struct proto_parser proto_smb;
extern const struct proto_parser proto_smtp;
extern const struct proto_parser proto_ssh;
extern const struct proto_parser proto_tls;

const struct proto_parser *const proto_parsers[] = {
	&proto_ftp_data, /* what was announced goes before all guesses */
	&proto_http,
	&proto_dns,
	&proto_llmnr,
	&proto_smtp,
	&proto_ftp,
	&proto_ssh,
	&proto_dcerpc,
	&proto_smb,
	&proto_ldap,
	&proto_sip,
	&proto_tls,
	NULL,
};
