"""A headless caller: a client of any visavis server, over HTTP and WebRTC only.

It speaks recorded or synthesised sentences to an agent in real time, and keeps what it saw,
heard and measured. It knows nothing of the server's insides.
"""
