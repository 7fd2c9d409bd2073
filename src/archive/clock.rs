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
