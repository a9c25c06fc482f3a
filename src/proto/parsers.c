/* SPDX-License-Identifier: Apache-2.0 */
/* Which parsers there are, in the order in which they are asked whose the first bytes are. */
#include "proto/inside.h"

extern const struct proto_parser proto_backorifice;
extern const struct proto_parser proto_bittorrent;
extern const struct proto_parser proto_bittorrent_dht;
extern const struct proto_parser proto_dcc;
extern const struct proto_parser proto_dcc_chat;
extern const struct proto_parser proto_dcerpc;
extern const struct proto_parser proto_dhcp;
extern const struct proto_parser proto_dhcpv6;
extern const struct proto_parser proto_dns;
extern const struct proto_parser proto_finger;
extern const struct proto_parser proto_ftp;
extern const struct proto_parser proto_ftp_data;
extern const struct proto_parser proto_http;
extern const struct proto_parser proto_http2;
extern const struct proto_parser proto_imap;
extern const struct proto_parser proto_irc;
extern const struct proto_parser proto_krb5;
extern const struct proto_parser proto_ldap;
extern const struct proto_parser proto_llmnr;
extern const struct proto_parser proto_mssql;
extern const struct proto_parser proto_mysql;
extern const struct proto_parser proto_netbios;
extern const struct proto_parser proto_ntp;
extern const struct proto_parser proto_p2p;
extern const struct proto_parser proto_pgsql;
extern const struct proto_parser proto_pop3;
extern const struct proto_parser proto_quic;
extern const struct proto_parser proto_raw_file;
extern const struct proto_parser proto_raw_plain;
extern const struct proto_parser proto_raw_shell;
extern const struct proto_parser proto_rdp;
extern const struct proto_parser proto_redis;
extern const struct proto_parser proto_rfb;
extern const struct proto_parser proto_rlogin;
extern const struct proto_parser proto_rsh;
extern const struct proto_parser proto_sip;
extern const struct proto_parser proto_smb;
extern const struct proto_parser proto_smtp;
extern const struct proto_parser proto_snmp;
extern const struct proto_parser proto_socks;
extern const struct proto_parser proto_ssh;
extern const struct proto_parser proto_syslog;
extern const struct proto_parser proto_telnet;
extern const struct proto_parser proto_tftp;
extern const struct proto_parser proto_tls;

const struct proto_parser *const proto_parsers[] = {
	&proto_ftp_data, /* what was announced goes before all guesses */
	&proto_dcc,
	&proto_dcc_chat,
	&proto_irc,
	&proto_tftp,
	&proto_http2,
	&proto_http,
	&proto_dns,
	&proto_llmnr,
	&proto_smtp,
	&proto_redis, /* before FTP: on its port, AUTH is its word */
	&proto_ftp,
	&proto_pop3,
	&proto_imap,
	&proto_ssh,
	&proto_socks, /* asks more of the first bytes than DCE/RPC */
	&proto_dcerpc,
	&proto_smb,
	&proto_krb5,
	&proto_ldap,
	&proto_sip,
	&proto_tls,
	&proto_quic,
	&proto_mysql,
	&proto_pgsql,
	&proto_mssql,
	&proto_rfb,
	&proto_rdp,
	&proto_snmp,
	&proto_dhcp,
	&proto_ntp,
	&proto_syslog,
	&proto_netbios,
	&proto_dhcpv6,
	&proto_bittorrent_dht,
	&proto_bittorrent,
	&proto_p2p,
	&proto_backorifice,
	&proto_finger,
	&proto_rlogin,
	&proto_rsh,
	&proto_telnet,   /* what is unknown may be it for 512 bytes */
	&proto_raw_file, /* they claim what is left */
	&proto_raw_shell,
	&proto_raw_plain,
	NULL,
};
