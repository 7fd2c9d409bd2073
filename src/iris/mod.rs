//! The Iris network: encoder, task encoder, mask decoder, sliding-window inference. Tensors in, tensors out.
