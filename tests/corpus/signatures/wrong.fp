classes = unix
[tcp:request]
label = s:unix:A:
sig = *:0:0:*:*,*:::0
sig = *:64:0:*:mss*0,*:foo:bar:7
label = q
sys = x
[nosuch]
sig = 1
[mtu]
label = [31m
sig = x
