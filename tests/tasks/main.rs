//! Teaching tasks by example and segmenting by them: the library on disk, embeddings kept and made anew, results
//! on the source grid whatever its orientation.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod command_line;
mod confidence;
mod patient;
mod segmenting;
mod strategies;
mod teaching;
mod tuning;
