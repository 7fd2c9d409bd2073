//! One step of a job as a task of its own: a panic in it ends the step, not the loop that every other job needs.

/// Runs a step to its end; `None` when it panicked.
pub(super) async fn guarded<T: Send + 'static>(
    step: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    tokio::spawn(step).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        assert_eq!(guarded(async { 3 }).await, Some(3));
        assert_eq!(guarded(async { panic!("poison") }).await, None::<()>);
    }
}
