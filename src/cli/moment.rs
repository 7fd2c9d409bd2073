//! Times as people write them: `yesterday`, `2h`, `2026-11-20 14:00`.

use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};

/// A time before `now`, or a date or time of this place's clock.
pub(super) fn moment(text: &str, now: DateTime<Local>) -> Result<DateTime<Local>, String> {
    let text = text.trim();
    let here = |time: NaiveDateTime| {
        let time = Local.from_local_datetime(&time).earliest();
        time.ok_or_else(|| "there was no such time: clocks were put forward".to_owned())
    };
    let midnight = |date: NaiveDate| here(date.and_time(NaiveTime::MIN));
    match text {
        "now" => return Ok(now),
        "today" => return midnight(now.date_naive()),
        "yesterday" => return midnight(now.date_naive() - chrono::Days::new(1)),
        _ => {}
    }
    let ago = text.strip_suffix("ago").unwrap_or(text).trim();
    if let Ok(ago) = humantime::parse_duration(ago) {
        let ago = chrono::Duration::from_std(ago).ok();
        let time = ago.and_then(|ago| now.checked_sub_signed(ago));
        return time.ok_or_else(|| "that is too long ago".to_owned());
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return midnight(date);
    }
    for format in [
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%dT%H:%M:%S",
    ] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return here(time);
        }
    }
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.with_timezone(&Local))
        .map_err(|_| {
            "write a time such as yesterday, today, 2h, 3days, 2026-11-20, or \"2026-11-20 14:00\""
                .to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_say_them() {
        let now = Local.with_ymd_and_hms(2026, 11, 25, 14, 30, 0).unwrap();
        let is = |text: &str, expected: &str| {
            let read = moment(text, now).map(|time| time.format("%F %T").to_string());
            assert_eq!(read.as_deref(), Ok(expected), "{text}");
        };
        is("yesterday", "2026-11-24 00:00:00");
        is("today", "2026-11-25 00:00:00");
        is("2h", "2026-11-25 12:30:00");
        is("1day 30m ago", "2026-11-24 14:00:00");
        is("2026-11-20", "2026-11-20 00:00:00");
        is("2026-11-20 14:05", "2026-11-20 14:05:00");
        is("2026-11-20T14:05:09", "2026-11-20 14:05:09");
        for wrong in ["", "soon", "2026-13-01", "99999999999y"] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }
}
