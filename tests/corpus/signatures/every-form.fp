; a comment
classes = win, unix

[mtu]
label = Ethernet
sig   = 1500
sig = 576
[tcp:request]
label = s:unix:Linux:3.x
sig = *:64:0:*:mss*10,*:mss,sok,ts,nop,ws:df,id+:0
label = g:win:Windows:
  sig =4:128:0:1460:%8192,8:mss,nop,?77,eol+2:df:*
label = s:!:scanner:a: b
sys = @unix,Windows
sig = 6:64-:8:0:*,0::flow,exws,bad:+
[tcp:response]
label = s:unix:Linux:4
sig = *:255:0:0:mtu*2,0:sack:0+,ack-,pushf+:0
[http:request]
ua_os = Linux,iOS=[iPad]
label = s:!:Some program:1
sys = Linux
sig = 1:Host,?Accept=[,*/*;q=a:b],User-Agent::Some/
sig = *::Cookie,X-A:
[http:response]
label = g:!:server:
sig = 0:Server=[x]:Date: server