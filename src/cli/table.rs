//! Columns of words and numbers for the terminal.

/// Rows under a heading, columns aligned; columns that hold numbers are aligned to the right.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let columns = heading.len();
    let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| cell(row, column).chars().count());
        cells
            .chain([heading[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let numeric: Vec<bool> = (0..columns)
        .map(|column| {
            let mut cells = rows.iter().map(|row| cell(row, column));
            cells.all(|cell| cell.is_empty() || cell == "-" || cell.parse::<f64>().is_ok())
        })
        .collect();
    let line = |cells: Vec<String>| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if numeric[column] {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        let line = padded.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    let mut text = line(heading.iter().map(|&word| word.to_owned()).collect());
    for row in rows {
        text += &line((0..columns).map(|column| cell(row, column)).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_to_the_left_numbers_to_the_right() {
        let rows = [
            vec!["Spleen".into(), "255.0".into()],
            vec!["Gallbladder".into(), "9.0".into()],
        ];
        assert_eq!(
            table(&["segment", "ml"], &rows),
            "segment         ml\nSpleen       255.0\nGallbladder    9.0\n"
        );
    }
}
