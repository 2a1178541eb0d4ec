"""The request path: accept, attribute, tag, forward, capture, hand over."""
