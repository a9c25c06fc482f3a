; SPDX-License-Identifier: Apache-2.0
;
; fishbowl.fp - signatures of systems and programs that p0f 3.09b does not know, in its format (section 5 of its
; README): read in addition to its p0f.fp, none of which is in here.
;
; "measured": seen by us, on connections made for that purpose. "documented": made from what the system's or program's
; own source or documentation says it sends.

classes = win,unix,other

[mtu]

; documented: WireGuard over IPv6 (its default), over IPv4; VXLAN, as container networks have it; OpenVPN's tunnel
label = WireGuard
sig   = 1420
sig   = 1412

label = VXLAN
sig   = 1450

label = loopback
sig   = 65535
sig   = 65536

[tcp:request]

; measured: Linux 6.18 with the limit of receive buffers that 6.16 has brought (32 MB), MTU 1500, 1492, 1400, 9000
label = s:unix:Linux:6.16 and newer
sig   = *:64:0:*:mss*44,10:mss,sok,ts,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*45,10:mss,sok,ts,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*46,10:mss,sok,ts,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*47,10:mss,sok,ts,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*48,10:mss,sok,ts,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*49,10:mss,sok,ts,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*7,10:mss,sok,ts,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*44,10:mss,nop,nop,sok,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*45,10:mss,nop,nop,sok,nop,ws:df,id+,flow:0

; measured: the same kernel with the limit that others have (6 MB)
label = s:unix:Linux:4.20 and newer
sig   = *:64:0:*:mss*44,7:mss,sok,ts,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*45,7:mss,sok,ts,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*46,7:mss,sok,ts,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*47,7:mss,sok,ts,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*48,7:mss,sok,ts,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*49,7:mss,sok,ts,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*7,7:mss,sok,ts,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*44,7:mss,nop,nop,sok,nop,ws:df,id+,flow:0
sig   = *:64:0:*:mss*45,7:mss,nop,nop,sok,nop,ws:df,id+,flow:0

; measured: the same over lo (MTU 65536)
label = s:unix:Linux:4.20 and newer (loopback)
sig   = 4:64:0:65495:mss*1,7:mss,sok,ts,nop,ws:df,id+:0
sig   = 4:64:0:65495:mss*1,10:mss,sok,ts,nop,ws:df,id+:0
sig   = 6:64:0:65476:mss*1,7:mss,sok,ts,nop,ws:flow:0
sig   = 6:64:0:65476:mss*1,10:mss,sok,ts,nop,ws:flow:0

; measured: any Linux that uses flow labels, over IPv6, where p0f.fp knows its options
label = g:unix:Linux:2.2 and newer (IPv6)
sig   = 6:64:0:*:*,*:mss,sok,ts,nop,ws:flow:0

; documented: windows of 64240 bytes and a scale of 8 came with Windows 10
label = s:win:Windows:10 or 11
sig   = *:128:0:*:mss*44,8:mss,nop,ws,nop,nop,sok:df,id+,flow:0
sig   = *:128:0:*:mss*45,8:mss,nop,ws,nop,nop,sok:df,id+,flow:0

; documented: a scale of 6, and no identification
label = s:unix:Mac OS X:10.12 and newer, or iOS
sig   = *:64:0:*:65535,6:mss,nop,ws,nop,nop,ts,sok,eol+1:df,flow:0
sig   = *:64:0:*:65535,6:mss,nop,ws,nop,nop,ts,sok,eol+1:df,id+,flow:0

; measured: masscan 1.3.2 and, with an MSS, documented: later ones
label = s:!:masscan:
sys   = @unix,@win
sig   = 4:255:0:0:1024,0:::0
sig   = 4:255:0:1460:1024,0:mss::0

; measured: zmap 2.1.1, documented: later ones, which have an MSS
label = s:!:zmap:
sys   = @unix
sig   = 4:255:0:0:65535,0:::0
sig   = 4:255:0:1460:65535,0:mss::0

; documented: nmap -sS sends a window of 1024, an MSS of 1460 and a random TTL
label = s:!:NMap:SYN scan
sys   = @unix,@win
sig   = *:64-:0:1460:1024,0:mss::0

; measured: hping3 3.0.0-alpha-2 -S
label = s:!:hping3:
sys   = @unix
sig   = 4:64:0:0:512,0::ack+:0

; documented: no system's connect() leaves out all options; worms (Mirai among them) and scanners do, that make their
; packets themselves
label = g:!:packets made by hand:
sys   = @unix,@win
sig   = *:64:0:0:*,0:::0
sig   = *:128:0:0:*,0:::0
sig   = *:255:0:0:*,0:::0

[tcp:response]

; measured: to a client with each choice of options
label = s:unix:Linux:6.16 and newer
sig   = *:64:0:*:mss*44,10:mss,sok,ts,nop,ws:df,flow:0
sig   = *:64:0:*:mss*45,10:mss,sok,ts,nop,ws:df,flow:0
sig   = *:64:0:*:mss*46,10:mss,sok,ts,nop,ws:df,flow:0
sig   = *:64:0:*:mss*48,10:mss,sok,ts,nop,ws:df,flow:0
sig   = *:64:0:*:mss*49,10:mss,sok,ts,nop,ws:df,flow:0
sig   = *:64:0:*:mss*7,10:mss,sok,ts,nop,ws:df,flow:0
sig   = *:64:0:*:mss*44,10:mss,nop,nop,sok,nop,ws:df,flow:0
sig   = *:64:0:*:mss*44,10:mss,nop,ws:df,flow:0
sig   = *:64:0:*:mss*45,10:mss,nop,nop,ts,nop,ws:df,flow:0

label = s:unix:Linux:4.20 and newer
sig   = *:64:0:*:mss*44,7:mss,sok,ts,nop,ws:df,flow:0
sig   = *:64:0:*:mss*45,7:mss,sok,ts,nop,ws:df,flow:0
sig   = *:64:0:*:mss*46,7:mss,sok,ts,nop,ws:df,flow:0
sig   = *:64:0:*:mss*48,7:mss,sok,ts,nop,ws:df,flow:0
sig   = *:64:0:*:mss*49,7:mss,sok,ts,nop,ws:df,flow:0
sig   = *:64:0:*:mss*7,7:mss,sok,ts,nop,ws:df,flow:0
sig   = *:64:0:*:mss*44,7:mss,nop,nop,sok,nop,ws:df,flow:0
sig   = *:64:0:*:mss*44,7:mss,nop,ws:df,flow:0
sig   = *:64:0:*:mss*45,7:mss,nop,nop,ts,nop,ws:df,flow:0
sig   = *:64:0:*:mss*44,0:mss:df,flow:0
sig   = *:64:0:*:mss*45,0:mss,nop,nop,ts:df,flow:0
sig   = *:64:0:*:mss*45,0:mss,sok,ts:df,flow:0

label = s:unix:Linux:4.20 and newer (loopback)
sig   = 4:64:0:65495:mss*1,7:mss,sok,ts,nop,ws:df:0
sig   = 4:64:0:65495:mss*1,10:mss,sok,ts,nop,ws:df:0
sig   = 6:64:0:65476:mss*1,7:mss,sok,ts,nop,ws:flow:0
sig   = 6:64:0:65476:mss*1,10:mss,sok,ts,nop,ws:flow:0

[http:request]

ua_os = Linux,Windows,iOS=[iPad],iOS=[iPhone],Mac OS X,FreeBSD,OpenBSD,NetBSD,Solaris=[SunOS]

; measured: curl 7.88.1, also with --compressed
label = s:!:curl:7.x or newer
sys   = @unix,@win
sig   = 1:Host,User-Agent=[curl/],Accept=[*/*],?Accept-Encoding:Connection,Accept-Language,Accept-Charset,Keep-Alive:curl/

; measured: wget 1.21.3; 1.20 in another order
label = s:!:wget:1.20 or newer
sys   = @unix,@win
sig   = 1:Host,User-Agent,Accept=[*/*],Accept-Encoding=[identity],Connection=[Keep-Alive]:Accept-Language,Accept-Charset,Keep-Alive:Wget/
sig   = 1:User-Agent,Accept=[*/*],Accept-Encoding=[identity],Host,Connection=[Keep-Alive]:Accept-Language,Accept-Charset,Keep-Alive:Wget/

; measured: Python 3.11 with requests 2.34, urllib3 2.7, urllib
label = s:!:Python:requests
sys   = @unix,@win
sig   = 1:Host,User-Agent=[python-requests/],Accept-Encoding=[gzip, deflate],Accept=[*/*],Connection=[keep-alive]:Accept-Language,Accept-Charset,Keep-Alive:python-requests/

label = s:!:Python:urllib3
sys   = @unix,@win
sig   = 1:Host,Accept-Encoding=[identity],User-Agent:Connection,Accept,Accept-Language,Accept-Charset,Keep-Alive:python-urllib3/

label = s:!:Python:urllib (3.x)
sys   = @unix,@win
sig   = 1:Accept-Encoding=[identity],Host,User-Agent=[Python-urllib/3],Connection=[close]:Accept,Accept-Language,Accept-Charset,Keep-Alive:Python-urllib/

; measured: Node 20, fetch()
label = s:!:Node.js:fetch
sys   = @unix,@win
sig   = 1:host,connection=[keep-alive],accept=[*/*],accept-language=[*],sec-fetch-mode=[cors],user-agent,accept-encoding=[gzip, deflate]:Host,User-Agent:node

; measured: Perl's HTTP::Tiny 0.080
label = s:!:Perl:HTTP::Tiny
sys   = @unix,@win
sig   = 1:Host,User-Agent=[HTTP-Tiny/]:Connection,Accept,Accept-Encoding,Accept-Language,Accept-Charset,Keep-Alive:HTTP-Tiny/

; documented: Go's net/http asks for gzip and nothing else
label = s:!:Go:net/http
sys   = @unix,@win
sig   = 1:Host,User-Agent=[Go-http-client/],Accept-Encoding=[gzip]:Connection,Accept,Accept-Language,Accept-Charset,Keep-Alive:Go-http-client/

[http:response]

; measured: Python 3.11 (http.server)
label = s:!:Python:http.server
sys   = @unix,@win
sig   = *:Server=[Python/],Date,Content-type,Content-Length,?Last-Modified:Content-Type,Connection,Keep-Alive,Accept-Ranges:Python/

; measured: Node 20
label = s:!:Node.js:http
sys   = @unix,@win
sig   = 1:Date,Connection=[keep-alive],Keep-Alive=[timeout=5]:Server,Content-Type,Accept-Ranges:
