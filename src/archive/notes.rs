//! What a job's record says besides its state: how its series was read.

use super::{Archive, ArchiveError};

impl Archive {
    /// Puts a note on a job, in the place of an earlier one.
    pub async fn note(&self, job: i64, note: &str) -> Result<(), ArchiveError> {
        sqlx::query("UPDATE jobs SET note = ? WHERE id = ?")
            .bind(note)
            .bind(job)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
