//! A table as CSV: a head line, then rows, looked at by the names of the columns.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

/// A table; what cannot be used of it is named by file, line, column and value.
pub(super) struct Table<'a> {
    what: &'static str,
    columns: HashMap<&'a str, usize>,
    pub(super) rows: Vec<Line<'a>>,
}

/// A row, and the line of the file that it stands on.
pub(super) struct Line<'a> {
    pub(super) number: usize,
    cells: Vec<&'a str>,
}

impl<'a> Table<'a> {
    /// Reads `text`; `what` is what errors call it.
    pub(super) fn read(what: &'static str, text: &'a str) -> Result<Self, String> {
        let mut lines = text.lines().zip(1..);
        let (head, _) = lines.next().ok_or(format!("{what}: the file is empty"))?;
        let columns = head.split(',').map(str::trim).zip(0..).collect();
        let filled = lines.filter(|(line, _)| !line.trim().is_empty());
        let row = |(line, number): (&'a str, usize)| Line {
            number,
            cells: line.split(',').map(str::trim).collect(),
        };
        Ok(Self {
            what,
            columns,
            rows: filled.map(row).collect(),
        })
    }

    /// The cell of this row and column.
    pub(super) fn text(&self, row: &Line<'a>, column: &str) -> Result<&'a str, String> {
        let what = self.what;
        let at = self.columns.get(column);
        let at = at.ok_or(format!("{what}: there is no column {column}"))?;
        let cell = row.cells.get(*at).copied();
        cell.ok_or(format!("{what}, line {}: {column} is missing", row.number))
    }

    /// The cell as a whole number of 0 and more.
    pub(super) fn number(&self, row: &Line<'a>, column: &str) -> Result<u32, String> {
        self.parsed(row, column, "a whole number is needed", |_| true)
    }

    /// The cell as a whole number of 1 and more.
    pub(super) fn count(&self, row: &Line<'a>, column: &str) -> Result<u32, String> {
        let needed = "a whole number of 1 or more is needed";
        self.parsed(row, column, needed, |count| *count > 0)
    }

    /// The cell as a number of 0 and more that is below 10^15.
    pub(super) fn amount(&self, row: &Line<'a>, column: &str) -> Result<f64, String> {
        let needed = "a number from 0 to 1e15 is needed";
        self.parsed(row, column, needed, |amount| (0.0..=1e15).contains(amount))
    }

    fn parsed<T: FromStr>(
        &self,
        row: &Line<'a>,
        column: &str,
        needed: &str,
        is_good: impl Fn(&T) -> bool,
    ) -> Result<T, String> {
        let text = self.text(row, column)?;
        let parsed = text.parse().ok().filter(is_good);
        parsed.ok_or_else(|| self.refused(row, column, &format!("{text:?}"), needed))
    }

    /// Words about a value that cannot be used.
    pub(super) fn refused(
        &self,
        row: &Line<'_>,
        column: &str,
        value: &dyn Display,
        needed: &str,
    ) -> String {
        let (what, line) = (self.what, row.number);
        format!("{what}, line {line}: {column} is {value}; {needed}")
    }
}
