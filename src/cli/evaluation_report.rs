//! What `irisnode evaluate` prints.

use super::table::table;
use crate::evaluate::{CaseScore, Estimate, EvaluateOptions, Method, StructureSummary, Summary};

/// Methods side by side in a table of at most 120 columns.
const SIDE_BY_SIDE: usize = 7;
/// Names of structures are cut to this many characters.
const NAME: usize = 26;
/// Cases whose references are listed.
const LISTED: usize = 6;

/// Dice of every method, and Dice, NSD and HD95 of the first.
pub fn report(scores: &[CaseScore], summary: &Summary, options: &EvaluateOptions) -> String {
    let measured = |method: &&Method| summary.all.methods.contains_key(method);
    let methods: Vec<Method> = options.methods.iter().filter(measured).copied().collect();
    let mut text = String::new();
    for side_by_side in methods.chunks(SIDE_BY_SIDE) {
        text += &dice_table(summary, side_by_side);
    }
    if let Some(&first) = methods.first() {
        text += &detail_table(summary, first);
        text += &format!(
            "NSD within {} mm{}; HD95 without the missed.\n",
            options.tolerance_mm,
            finer_than_the_grid(scores, options.tolerance_mm),
        );
    }
    text + &references(scores)
}

fn dice_table(summary: &Summary, methods: &[Method]) -> String {
    let heading: Vec<&str> = ["mean Dice", "n"]
        .into_iter()
        .chain(methods.iter().map(|method| method.name()))
        .collect();
    let row = |structure: &StructureSummary, cell: &dyn Fn(Estimate) -> String| {
        let cells = methods.iter().map(|method| {
            let of_method = structure.methods.get(method);
            of_method.map_or("-".into(), |found| cell(found.dice))
        });
        let start = [shortened(&structure.structure), structure.n.to_string()];
        start.into_iter().chain(cells).collect::<Vec<String>>()
    };
    let mean = |dice: Estimate| format!("{:.3}", dice.mean);
    let mut rows: Vec<Vec<String>> = summary
        .structures
        .iter()
        .map(|structure| row(structure, &mean))
        .collect();
    rows.push(row(&summary.all, &mean));
    let mut text = table(&heading, &rows);
    let interval: Vec<String> = methods
        .iter()
        .filter_map(|method| {
            let [low, high] = summary.all.methods.get(method)?.dice.interval?;
            Some(format!("{} {low:.3} to {high:.3}", method.name()))
        })
        .collect();
    if !interval.is_empty() {
        text += &wrapped("95 % of all: ", &interval);
    }
    text + "\n"
}

fn detail_table(summary: &Summary, method: Method) -> String {
    let heading = [
        method.name(),
        "n",
        "Dice",
        "95 %",
        "NSD",
        "95 %",
        "HD95 mm",
        "95 %",
        "missed",
        "ml",
    ];
    let rows: Vec<Vec<String>> = summary
        .structures
        .iter()
        .chain([&summary.all])
        .filter_map(|structure| {
            let found = structure.methods.get(&method)?;
            let mut row = vec![shortened(&structure.structure), found.dice.n.to_string()];
            row.extend(with_interval(Some(found.dice), 3));
            row.extend(with_interval(Some(found.nsd), 3));
            row.extend(with_interval(found.hd95_mm, 1));
            row.push(found.missed.to_string());
            row.push(format!("{:.1}", structure.known_ml));
            Some(row)
        })
        .collect();
    table(&heading, &rows)
}

/// Mean, and interval.
fn with_interval(estimate: Option<Estimate>, digits: usize) -> [String; 2] {
    let Some(Estimate { mean, interval, .. }) = estimate else {
        return ["-".into(), "-".into()];
    };
    [
        format!("{mean:.digits$}"),
        interval.map_or("-".into(), |[low, high]| {
            format!("{low:.digits$}-{high:.digits$}")
        }),
    ]
}

/// A surface cannot be nearer than a voxel without being the same: the reader should know.
fn finer_than_the_grid(scores: &[CaseScore], tolerance_mm: f64) -> String {
    let finest = |score: &CaseScore| score.spacing_mm.into_iter().fold(f64::INFINITY, f64::min);
    let coarsest = scores.iter().map(finest).fold(0.0, f64::max);
    if coarsest <= tolerance_mm {
        return String::new();
    }
    format!(", finer than voxels of {coarsest} mm: only the very same surface voxels count")
}

fn references(scores: &[CaseScore]) -> String {
    let mut text = String::new();
    for score in scores.iter().take(LISTED) {
        let hashes: Vec<&str> = score
            .references
            .iter()
            .map(|hash| hash.get(..16).unwrap_or(hash))
            .collect();
        let word = if hashes.len() == 1 {
            "reference"
        } else {
            "references"
        };
        text += &wrapped(
            &format!("{word} of {}: ", score.case),
            &hashes
                .iter()
                .map(|&hash| hash.to_owned())
                .collect::<Vec<_>>(),
        );
        if !score.absent.is_empty() {
            text += &format!(
                "  not in its query, so without figures: {}\n",
                score.absent.join(", ")
            );
        }
    }
    if scores.len() > LISTED {
        text += &format!("and {} more; --json lists all\n", scores.len() - LISTED);
    }
    text
}

/// What the cases say of the paper's relations.
pub fn relations(summary: &Summary) -> String {
    if summary.relations.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = summary
        .relations
        .iter()
        .map(|measured| {
            let Estimate { n, mean, interval } = measured.difference;
            vec![
                measured.relation.claim.to_owned(),
                n.to_string(),
                format!("{mean:+.3}"),
                interval.map_or("-".into(), |[low, high]| format!("{low:+.3} to {high:+.3}")),
                measured.verdict.word().to_owned(),
            ]
        })
        .collect();
    format!(
        "\n{}",
        table(
            &[
                "the paper's relation",
                "n",
                "Dice difference",
                "95 %",
                "here"
            ],
            &rows
        )
    )
}

/// Time and memory of a query by each method.
pub fn costs(summary: &Summary, methods: &[Method]) -> String {
    let rows: Vec<Vec<String>> = methods
        .iter()
        .filter_map(|method| {
            let cost = summary.costs.get(method)?;
            Some(vec![
                method.name().to_owned(),
                format!("{:.2}", cost.seconds.mean),
                cost.peak_mib.map_or("-".into(), |mib| format!("{mib:.0}")),
            ])
        })
        .collect();
    format!(
        "\n{}The references are embedded before, but for `re-encoded`; the peak is the whole process's resident memory.\n",
        table(&["cost of a query", "seconds", "peak MiB"], &rows)
    )
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    let start: String = name.chars().take(NAME - 1).collect();
    format!("{start}…")
}

/// Words separated by commas, in lines of at most 120 columns.
fn wrapped(start: &str, words: &[String]) -> String {
    let mut text = String::new();
    let mut line = start.to_owned();
    for (at, word) in words.iter().enumerate() {
        let word = format!("{word}{}", if at + 1 < words.len() { ", " } else { "" });
        if line.chars().count() + word.trim_end().chars().count() > 120 {
            text += &format!("{}\n", line.trim_end());
            line = "  ".into();
        }
        line += &word;
    }
    text + line.trim_end() + "\n"
}
