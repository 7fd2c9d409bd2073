#[path = "../../src/deliver/command.rs"]
mod command;
pub use command::{Request, Response};
