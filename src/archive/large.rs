//! A large archive answers as quickly as a small one. `IRISNODE_ROWS=1000000 cargo test --lib large` tries more.

use super::{Archive, Level, Match, Search};
use dicom_dictionary_std::tags;
use std::time::{Duration, Instant};

/// Instances, in series of 200, in studies of five series.
async fn filled(folder: &std::path::Path, instances: i64) -> Archive {
    let archive = Archive::open(folder).await.unwrap();
    let (series, studies) = (instances / 200, instances / 1000);
    for (statement, count) in [
        (
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
             INSERT INTO studies (id, study_uid, study_date, patient_name, patient_id)
             SELECT i, '1.2.' || i, '20' || (10 + i % 15) || '0101', 'Name^' || i, 'ID' || i FROM n",
            studies,
        ),
        (
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
             INSERT INTO study_series (id, study, series_uid, modality)
             SELECT i, (i - 1) / 5 + 1, '1.3.' || i, 'CT' FROM n",
            series,
        ),
        (
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
             INSERT INTO series (id, series_uid, study_uid, modality, calling_ae, called_ae, first_at, last_at)
             SELECT i, '1.3.' || i, '1.2.' || ((i - 1) / 5 + 1), 'CT', 'A', 'B', 0, 0 FROM n",
            series,
        ),
        (
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
             INSERT INTO instances (series, sop_instance_uid, sop_class_uid, transfer_syntax, file, size,
                                    received_at, study_series, instance_number)
             SELECT (i - 1) / 200 + 1, '1.4.' || i, '1.5', '1.2.840.10008.1.2.1', 'aa/' || i || '.dcm', 1,
                    i, (i - 1) / 200 + 1, i % 200 FROM n",
            instances,
        ),
    ] {
        sqlx::query(statement)
            .bind(count)
            .execute(&archive.pool)
            .await
            .unwrap();
    }
    archive
}

#[tokio::test]
async fn fifty_of_a_large_archive_are_found_at_once() {
    let rows = std::env::var("IRISNODE_ROWS").ok();
    let rows = rows.and_then(|rows| rows.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().unwrap();
    let archive = filled(folder.path(), rows).await;
    let one = |text: &str| Match::OneOf(vec![text.to_owned()]);
    let questions = [
        (Level::Study, vec![]),
        (
            Level::Study,
            vec![(tags::PATIENT_NAME, Match::Name("name^7*".into()))],
        ),
        (
            Level::Study,
            vec![(
                tags::STUDY_DATE,
                Match::Range(Some("20150101".into()), None),
            )],
        ),
        (Level::Study, vec![(tags::MODALITIES_IN_STUDY, one("CT"))]),
        (Level::Series, vec![]),
        (
            Level::Series,
            vec![(tags::STUDY_INSTANCE_UID, one("1.2.77"))],
        ),
        (Level::Instance, vec![]),
        (
            Level::Instance,
            vec![(tags::SOP_INSTANCE_UID, one("1.4.4321"))],
        ),
        (Level::Instance, vec![(tags::PATIENT_ID, one("ID9"))]),
        (
            Level::Instance,
            vec![(tags::SERIES_INSTANCE_UID, one("1.3.12"))],
        ),
    ];
    for (level, matches) in questions {
        let search = Search {
            level,
            matches,
            offset: 0,
            limit: 50,
        };
        let started = Instant::now();
        let found = archive.search(&search).await.unwrap();
        let took = started.elapsed();
        println!(
            "{took:?} for {} of {level:?} {:?}",
            found.len(),
            search.matches
        );
        assert!(!found.is_empty());
        // A machine that has much else to do is given time; one that reads every row takes longer.
        assert!(took < Duration::from_secs(3), "{took:?}: {search:?}");
    }
    let started = Instant::now();
    let stored = archive.instances_of("1.2.77", None, None).await.unwrap();
    println!("{:?} for the files of a study", started.elapsed());
    assert_eq!(stored.len(), 1000);
    assert!(started.elapsed() < Duration::from_secs(3));
}
