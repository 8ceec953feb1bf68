"""Mixers: the layer in which networks differ, one module per kind.

find              the mixer of a kind, and what a mixer must be
transformer       softmax attention
linear_attention  attention with products of positive features
retention         linear attention in which each head forgets at its own rate
delta_net         a matrix memory corrected by its error
mamba             state spaces whose step sizes depend on the token
hyena             gated convolutions as long as the sequence
rnn, gru, lstm    recurrent networks, plain and with gates
ctrnn             a continuous-time recurrent network, in discrete steps
"""
