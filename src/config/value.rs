//! One TOML value to one typed value: texts, numbers, durations, sizes, addresses, AE titles.

use super::section::{Complaint, Placed};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeValue;

fn wrong_type(value: &DeValue<'_>, wanted: &str) -> Complaint {
    Complaint::new(
        format!("must be {wanted}"),
        format!("this is {}", kind(value)),
    )
}

/// What a value is, in words.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A text that is not empty.
pub(super) fn text(value: &DeValue<'_>) -> Result<String, Complaint> {
    match value {
        DeValue::String(text) if text.trim().is_empty() => {
            Err(Complaint::new("must not be empty", "empty"))
        }
        DeValue::String(text) => Ok(text.trim().to_owned()),
        other => Err(wrong_type(other, "a text in quotes")),
    }
}

pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, Complaint> {
    value
        .as_bool()
        .ok_or_else(|| wrong_type(value, "true or false, without quotes"))
}

/// A whole number within bounds, inclusive.
pub(super) fn integer(value: &DeValue<'_>, min: i64, max: i64) -> Result<i64, Complaint> {
    let Some(number) = value.as_integer() else {
        return Err(wrong_type(value, "a whole number, without quotes"));
    };
    i64::from_str_radix(number.as_str(), number.radix())
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| Complaint::new(format!("must be between {min} and {max}"), "out of range"))
}

/// A finite number, whole or not.
pub(super) fn number(value: &DeValue<'_>) -> Result<f64, Complaint> {
    let parsed = match value {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(|n| n as f64),
        DeValue::Float(number) => number.as_str().parse().ok(),
        other => return Err(wrong_type(other, "a number, without quotes")),
    };
    parsed
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| Complaint::new("must be a finite number", "not a finite number"))
}

/// A duration such as `"5s"`, `"2m 30s"`, `"3days"`; never zero.
pub(super) fn duration(value: &DeValue<'_>) -> Result<Duration, Complaint> {
    let help = "write a number and a unit: \"500ms\", \"5s\", \"2m\", \"3h\", \"2days\"";
    let DeValue::String(text) = value else {
        return Err(wrong_type(value, "a duration in quotes").with_help(help));
    };
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => {
            Err(Complaint::new("must be longer than nothing", "zero").with_help(help))
        }
        Ok(duration) => Ok(duration),
        Err(error) => {
            // humantime ends with a list of every unit; the help names the usual ones.
            let error = error.to_string();
            let label = error.split(", supported units").next().unwrap_or(&error);
            Err(Complaint::new("is not a duration", label).with_help(help))
        }
    }
}

/// A size such as `"512 MiB"`, `"2 GB"` or a plain number of bytes; bytes.
pub(super) fn size(value: &DeValue<'_>) -> Result<u64, Complaint> {
    let help = "write a number and a unit: \"500 MB\", \"1 GiB\", \"1.5 TiB\"";
    match value {
        DeValue::Integer(_) => Ok(integer(value, 0, i64::MAX)?.unsigned_abs()),
        DeValue::String(text) => parse_size(text).ok_or_else(|| {
            Complaint::new("is not a size", "not a number and a unit").with_help(help)
        }),
        other => Err(wrong_type(other, "a size in quotes").with_help(help)),
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1_u64,
        "kb" => 1000,
        "mb" => 1000_u64.pow(2),
        "gb" => 1000_u64.pow(3),
        "tb" => 1000_u64.pow(4),
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let bytes = number.parse::<f64>().ok()? * factor as f64;
    // 2^53: beyond it an f64 no longer counts bytes.
    (bytes <= 9_007_199_254_740_992.0).then_some(bytes as u64)
}

/// A size in the largest binary unit that keeps it readable: `1 GiB`, `1.5 MiB`, `200 bytes`.
pub fn size_in_words(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    for (shift, unit) in units {
        if bytes >= 1 << shift {
            let number = format!("{:.1}", bytes as f64 / (1_u64 << shift) as f64);
            return format!("{} {unit}", number.trim_end_matches(".0"));
        }
    }
    format!("{bytes} bytes")
}

/// Address and port of a listener.
pub(super) fn socket_address(value: &DeValue<'_>) -> Result<SocketAddr, Complaint> {
    let help = "write an address and a port: \"0.0.0.0:11112\" for every network, \"127.0.0.1:11112\" for this machine only, \"[::]:11112\" for IPv6";
    let text = text(value).map_err(|complaint| complaint.with_help(help))?;
    text.parse().map_err(|_| {
        Complaint::new("is not an address and a port", "not an address and a port").with_help(help)
    })
}

/// TCP port of a peer: 1 to 65535.
pub(super) fn port(value: &DeValue<'_>) -> Result<u16, Complaint> {
    let help = "the port the peer's DICOM listener has, often 104, 4242 or 11112";
    let port =
        integer(value, 1, i64::from(u16::MAX)).map_err(|complaint| complaint.with_help(help))?;
    u16::try_from(port).map_err(|_| Complaint::new("must be between 1 and 65535", "out of range"))
}

/// An AE title (PS3.5 6.2, VR AE): 1 to 16 characters of the default
/// repertoire, no backslash, no control character; outer spaces do not count.
pub(super) fn ae_title(value: &DeValue<'_>) -> Result<String, Complaint> {
    let help = "an AE title has 1 to 16 characters, such as \"IRISNODE\"; letters, digits, `_` and `-` are safe everywhere";
    let title = text(value).map_err(|complaint| complaint.with_help(help))?;
    let complaint = |label: String| Complaint::new("is not an AE title", label).with_help(help);
    if let Some(odd) = title
        .chars()
        .find(|c| !(' '..='~').contains(c) || *c == '\\')
    {
        return Err(complaint(format!("{odd:?} is not allowed in an AE title")));
    }
    match title.len() {
        0..=16 => Ok(title),
        length => Err(complaint(format!("{length} characters, 16 is the most"))),
    }
}

/// A path; relative ones start at `base`, the folder of the configuration.
pub(super) fn path(base: &Path) -> impl Fn(&DeValue<'_>) -> Result<PathBuf, Complaint> {
    move |value| {
        let text = text(value)?;
        if text.starts_with('~') {
            return Err(
                Complaint::new("must be a plain path", "`~` is not expanded here").with_help(
                    "write the whole path; a relative one starts at the folder of this file",
                ),
            );
        }
        Ok(base.join(text))
    }
}

/// A list of texts, each with its place; none may appear twice.
pub(super) fn texts(value: &DeValue<'_>) -> Result<Vec<Placed<String>>, Complaint> {
    let Some(list) = value.as_array() else {
        return Err(match value {
            DeValue::String(one) => {
                wrong_type(value, "a list").with_help(format!("put it in brackets: [{one:?}]"))
            }
            other => wrong_type(other, "a list of texts"),
        });
    };
    let mut read: Vec<Placed<String>> = Vec::new();
    for item in list.iter() {
        let item_text = text(item.get_ref()).map_err(|complaint| Complaint {
            message: format!("holds an item that {}", complaint.message),
            ..complaint
        })?;
        if read.iter().any(|earlier| earlier.value == item_text) {
            return Err(Complaint::new(
                "names something twice",
                format!("{item_text:?} is here twice"),
            ));
        }
        read.push(Placed {
            value: item_text,
            span: item.span(),
        });
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_with_decimal_and_binary_units() {
        assert_eq!(parse_size("1 GiB"), Some(1 << 30));
        assert_eq!(parse_size("1.5kib"), Some(1536));
        assert_eq!(parse_size("2GB"), Some(2_000_000_000));
        assert_eq!(parse_size("17"), Some(17));
        for wrong in [
            "",
            "GiB",
            "1 Gigabyte",
            "-1 GB",
            "1..5 GB",
            "99999999999 TiB",
            "1e300 TiB",
        ] {
            assert_eq!(parse_size(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn sizes_in_words_are_short() {
        assert_eq!(size_in_words(1 << 30), "1 GiB");
        assert_eq!(size_in_words(1536), "1.5 KiB");
        assert_eq!(size_in_words(200), "200 bytes");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_size_parser_panic(text in "\\PC{0,30}") {
            let _ = parse_size(&text);
        }

        #[test]
        fn a_size_in_words_reads_back_within_its_rounding(bytes in 0_u64..1 << 45) {
            let words = size_in_words(bytes).replace("bytes", "b");
            let back = parse_size(&words).unwrap();
            prop_assert!(back.abs_diff(bytes) as f64 <= 0.051 * bytes as f64, "{words}");
        }
    }
}
