//! The clock on the wall may be set; what is due after a while is due after that while.

use super::{Archive, ArchiveError};

impl Archive {
    /// The clock was set forward (or back) by so many milliseconds: what waits until a time waits until the same moment.
    pub async fn clock_was_set(&self, by: i64) -> Result<(), ArchiveError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for table in ["deliveries", "jobs", "proposals", "commitments", "told"] {
            let moved =
                format!("UPDATE {table} SET next_at = max(next_at + ?, 1) WHERE next_at > 0");
            sqlx::query(sqlx::AssertSqlSafe(moved))
                .bind(by)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        self.changed.notify_waiters();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::CommitmentRequest;
    use std::time::Duration;

    /// As one run of the node: what it began ends with it.
    fn run(work: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(work);
    }

    #[test]
    fn a_clock_that_is_set_while_the_node_is_down_delays_no_report_and_no_message() {
        let folder = tempfile::tempdir().unwrap();
        let years = Duration::from_secs(10 * 365 * 86_400);
        run(async {
            let archive = Archive::open(folder.path()).await.unwrap();
            let request = CommitmentRequest {
                transaction_uid: "1.2.3".into(),
                calling_ae: "PACS".into(),
                instances: vec![("1.2".into(), "1.2.3.4".into())],
            };
            archive.request_commitment(&request).await.unwrap();
            let asked = archive.due_commitment().await.unwrap().unwrap();
            archive.report_later(asked.id, years).await.unwrap();
            archive.keep_targets(&["mail"]).await.unwrap();
            archive.tell_later("mail", years).await.unwrap();
            assert!(archive.due_commitment().await.unwrap().is_none());
        });
        run(async {
            let archive = Archive::open(folder.path()).await.unwrap();
            assert!(archive.due_commitment().await.unwrap().is_some());
            let (standing, _) = archive.untold("mail").await.unwrap().unwrap();
            assert_eq!((standing.next_at, standing.attempts), (0, 1));
        });
    }
}
