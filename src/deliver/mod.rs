//! C-STORE SCU: hands results to a peer, retrying with back-off until the peer acknowledges.
