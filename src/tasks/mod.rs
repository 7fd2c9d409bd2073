//! The reference library: image-label pairs and the task embeddings computed from them, once.
