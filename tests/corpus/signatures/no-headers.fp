[http:request]
label = s:!:anything:
sig = *:::
