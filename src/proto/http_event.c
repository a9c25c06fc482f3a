/* SPDX-License-Identifier: Apache-2.0 */
/* What libhtp complains of, by the names that rules have for it. It has no numbers for its
 * messages, so they are known by how they begin; the test says so when a later version words one
 * differently. */
#include "proto/http.h"

#include <strings.h>

static const struct {
	const char *begins;
	const char *event[2]; /* of the request, of the response */
} messages[] = {
#define BOTH(begins, event)          \
	{                            \
		begins,              \
		{                    \
			event, event \
		}                    \
	}
	BOTH("Request buffer over the limit", "http.request_field_too_long"),
	BOTH("Request field length exceeds", "http.request_field_too_long"),
	BOTH("Response the buffer limit", "http.response_field_too_long"),
	BOTH("Response field length exceeds", "http.response_field_too_long"),
	BOTH("Request chunk encoding: Invalid chunk length", "http.invalid_request_chunk_len"),
	BOTH("Response chunk encoding: Invalid chunk length", "http.invalid_response_chunk_len"),
	BOTH("Request line: missing protocol", "http.request_line_missing_protocol"),
	BOTH("Request line: leading whitespace", "http.request_line_leading_whitespace"),
	BOTH("Request line: non-compliant delimiter", "http.method_delim_non_compliant"),
	BOTH("Request line: URI contains non-compliant", "http.uri_delim_non_compliant"),
	BOTH("Request line: unknown method", "http.request_line_invalid"),
	BOTH("Request line incomplete", "http.request_line_incomplete"),
	BOTH("Unexpected request body", "http.request_body_unexpected"),
	BOTH("Unexpected response body", "http.response_body_unexpected"),
	BOTH("Unexpected Response body", "http.response_body_unexpected"),
	BOTH("Invalid request field folding", "http.invalid_request_field_folding"),
	BOTH("Invalid response field folding", "http.invalid_response_field_folding"),
	BOTH("Request field invalid: colon missing", "http.request_field_missing_colon"),
	BOTH("Response field invalid: missing colon", "http.response_field_missing_colon"),
	BOTH("Request field invalid", "http.request_header_invalid"),
	BOTH("Request header name is not a token", "http.request_header_invalid"),
	BOTH("Response field invalid", "http.response_header_invalid"),
	BOTH("Response header name is not a token", "http.response_header_invalid"),
	{ "Repetition for header",
		{ "http.request_header_repetition", "http.response_header_repetition" } },
	BOTH("Ambiguous request C-L value", "http.duplicate_content_length_field_in_request"),
	BOTH("Ambiguous response C-L value", "http.duplicate_content_length_field_in_response"),
	BOTH("Too many request headers", "http.request_too_many_headers"),
	BOTH("Too many response headers", "http.response_too_many_headers"),
	BOTH("Transfer-encoding has abnormal", "http.response_abnormal_transfer_encoding"),
	BOTH("Chunked transfer-encoding on", "http.response_chunked_old_proto"),
	BOTH("Invalid C-L field in response", "http.invalid_content_length_field_in_response"),
	BOTH("C-T multipart/byteranges", "http.response_multipart_byteranges"),
	BOTH("Unable to match response", "http.unable_to_match_response_to_request"),
	BOTH("Already seen 100-Continue", "http.100_continue_already_seen"),
	BOTH("Invalid response line: invalid protocol", "http.response_invalid_protocol"),
	BOTH("Invalid response line: invalid response", "http.response_invalid_status"),
#undef BOTH
};

static const struct {
	uint64_t flag;
	const char *event;
} flags[] = {
	{ HTP_HOST_MISSING, "http.missing_host_header" },
	{ HTP_HOST_AMBIGUOUS, "http.host_header_ambiguous" },
	{ HTP_HOSTU_INVALID, "http.request_uri_host_invalid" },
	{ HTP_HOSTH_INVALID, "http.request_header_host_invalid" },
	{ HTP_REQUEST_INVALID_T_E, "http.invalid_transfer_encoding_value_in_request" },
	{ HTP_REQUEST_INVALID_C_L, "http.invalid_content_length_field_in_request" },
	{ HTP_AUTH_INVALID, "http.request_auth_unrecognized" },
};

/* The transaction that is being read on the side that is being fed. */
static struct http_tx *current(const htp_log_t *log, const struct http *http)
{
	htp_tx_t *htp =
		http->side ? htp_connp_get_out_tx(log->connp) : htp_connp_get_in_tx(log->connp);

	if (!htp)
		htp = log->tx;
	return htp ? http_tx_of(htp) : NULL;
}

int http_event_log(htp_log_t *log)
{
	const struct http *http = htp_connp_get_user_data(log->connp);
	struct http_tx *tx = current(log, http);

	if (!tx || !log->msg)
		return HTP_OK;
	for (unsigned i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		if (strncmp(log->msg, messages[i].begins, strlen(messages[i].begins)) != 0)
			continue;
		proto_tx_add_event(tx->tx, messages[i].event[http->side]);
		proto_tx_news(tx->tx, http->side);
		break;
	}
	return HTP_OK;
}

/* libhtp knows Basic and Digest; Bearer is as common by now (RFC 6750). */
static bool is_bearer(const struct http_tx *tx)
{
	struct proto_bytes value;

	return http_header(tx, 0, "authorization", &value) && value.len >= 7 &&
	       strncasecmp((const char *)value.at, "Bearer ", 7) == 0;
}

void http_event_request(struct http_tx *tx)
{
	const htp_tx_t *htp = tx->htp;
	int port = htp->request_port_number;

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (htp->flags & flags[i].flag)
			proto_tx_add_event(tx->tx, flags[i].event);
	if (htp->request_auth_type == HTP_AUTH_UNRECOGNIZED && !is_bearer(tx))
		proto_tx_add_event(tx->tx, "http.request_auth_unrecognized");
	if (port > 0 && port != proto_conn_info(tx->http->conn)->port[1])
		proto_tx_add_event(tx->tx, "http.request_server_port_tcp_port_mismatch");
}
