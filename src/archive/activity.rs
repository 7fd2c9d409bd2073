//! What the archive had to do over time, from its rows: a restart forgets nothing of it.

use super::jobs::is_over;
use super::{Archive, ArchiveError};
use sqlx::FromRow;

/// Jobs in a span of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// Its start, milliseconds since 1970.
    pub from: i64,
    /// Series whose first instance came.
    pub arrived: u32,
    /// Jobs whose results all got where they go.
    pub delivered: u32,
    /// Jobs that failed.
    pub failed: u32,
    /// Jobs with nothing to do, or whose results a person discarded.
    pub other: u32,
    /// The most jobs that were open at once: arriving, waiting, being done, or held for a person.
    pub most_open: u32,
}

/// What peers had to do with the node.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Traffic {
    /// Name of a destination.
    pub destination: String,
    /// Results it acknowledged.
    pub delivered: i64,
    /// When it last acknowledged one, milliseconds since 1970.
    pub last_delivered: Option<i64>,
    /// Results it has still to get.
    pub waiting: i64,
    /// What the last attempt to send one of those came to.
    pub waiting_reason: Option<String>,
    /// Results it refused for good.
    pub failed: i64,
}

/// When a job began, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
struct Course {
    created_at: i64,
    updated_at: i64,
    state: String,
}

impl Course {
    /// When it ended; none while it is open.
    fn ended_at(&self) -> Option<i64> {
        is_over(&self.state).then_some(self.updated_at)
    }
}

impl Archive {
    /// The jobs of `count` spans of `step` ms from `since` (ms since 1970) on. A job that was done again counts as its
    /// last time.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn activity(
        &self,
        since: i64,
        step: i64,
        count: usize,
    ) -> Result<Vec<Span>, ArchiveError> {
        // Whatever has not moved since is open all the time, or over before.
        let courses: Vec<Course> = sqlx::query_as(
            "SELECT created_at, updated_at, state FROM jobs
             WHERE updated_at >= ?1 OR state NOT IN ('delivered', 'failed', 'skipped', 'discarded')",
        )
        .bind(since)
        .fetch_all(&self.pool)
        .await?;
        Ok(spans(&courses, since, step, count))
    }

    /// What became of the results for each destination that ever got one.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn traffic(&self) -> Result<Vec<Traffic>, ArchiveError> {
        Ok(sqlx::query_as(
            "SELECT destination,
               sum(state IN ('delivered', 'stored')) AS delivered,
               max(CASE WHEN state IN ('delivered', 'stored') THEN delivered_at END) AS last_delivered,
               sum(state = 'waiting') AS waiting,
               max(CASE WHEN state = 'waiting' THEN reason END) AS waiting_reason,
               sum(state = 'failed') AS failed
             FROM deliveries WHERE destination <> '' GROUP BY destination",
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// AE titles that sent a series, and when the last instance of each came, milliseconds since 1970.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn last_received(&self) -> Result<Vec<(String, i64)>, ArchiveError> {
        Ok(
            sqlx::query_as("SELECT calling_ae, max(last_at) FROM series GROUP BY calling_ae")
                .fetch_all(&self.pool)
                .await?,
        )
    }
}

/// Sorts jobs into spans, and follows how many were open.
fn spans(courses: &[Course], since: i64, step: i64, count: usize) -> Vec<Span> {
    let mut spans: Vec<Span> = (0_i64..)
        .take(count)
        .map(|number| Span {
            from: since + number * step,
            ..Span::default()
        })
        .collect();
    let within = |at: i64| usize::try_from((at - since).div_euclid(step)).ok();
    let mut changes: Vec<(i64, i64)> = Vec::new();
    for course in courses {
        changes.push((course.created_at.max(since), 1));
        if let Some(span) = within(course.created_at).and_then(|number| spans.get_mut(number)) {
            span.arrived += 1;
        }
        let Some(ended_at) = course.ended_at() else {
            continue;
        };
        changes.push((ended_at, -1));
        if let Some(span) = within(ended_at).and_then(|number| spans.get_mut(number)) {
            match course.state.as_str() {
                "delivered" => span.delivered += 1,
                "failed" => span.failed += 1,
                _ => span.other += 1,
            }
        }
    }
    // Of the same moment the end comes first: one after another is one at a time.
    changes.sort_unstable();
    let mut changes = changes.into_iter().peekable();
    let mut open = 0_i64;
    for span in &mut spans {
        let mut most = open;
        while let Some((_, change)) = changes.next_if(|(at, _)| *at < span.from + step) {
            open += change;
            most = most.max(open);
        }
        span.most_open = u32::try_from(most).unwrap_or(0);
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(created_at: i64, updated_at: i64, state: &str) -> Course {
        Course {
            created_at,
            updated_at,
            state: state.to_owned(),
        }
    }

    #[test]
    fn jobs_count_where_they_began_and_where_they_ended() {
        let jobs = [
            // Before the time that is looked at, and into it.
            job(-50, 5, "delivered"),
            job(3, 25, "delivered"),
            job(4, 25, "failed"),
            job(21, 22, "skipped"),
            job(28, 28, "held"),
        ];
        let spans = spans(&jobs, 0, 10, 4);
        let seen: Vec<_> = spans
            .iter()
            .map(|span| {
                [
                    span.arrived,
                    span.delivered,
                    span.failed,
                    span.other,
                    span.most_open,
                ]
            })
            .collect();
        assert_eq!(
            seen,
            [
                [2, 1, 0, 0, 3],
                [0, 0, 0, 0, 2],
                [2, 1, 1, 1, 3],
                // What is held is open until a person decides.
                [0, 0, 0, 0, 1],
            ]
        );
        assert_eq!(spans[3].from, 30);
    }

    #[test]
    fn one_after_another_is_one_at_a_time() {
        let jobs = [job(0, 10, "delivered"), job(10, 20, "delivered")];
        assert_eq!(spans(&jobs, 0, 100, 1)[0].most_open, 1);
    }
}
