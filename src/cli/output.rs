//! How a command writes numbers and results: whole lines, wrapped at words and coloured where a person reads them on a terminal.

use std::fmt::Arguments;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use clap::ColorChoice;

use super::style;
use crate::support::table::Table;
pub(crate) use crate::support::text::{age, bytes, count, numbers, percent, percent_or_dash, seconds};

/// [`println!`], but what can't be written ends the command with a sentence, not a panic.
macro_rules! outln {
    () => { $crate::cli::output::write_out(format_args!("\n")) };
    ($($arguments:tt)+) => { $crate::cli::output::write_out(format_args!("{}\n", format_args!($($arguments)+))) };
}

/// [`print!`], likewise.
macro_rules! out {
    ($($arguments:tt)*) => { $crate::cli::output::write_out(format_args!($($arguments)*)) };
}

/// [`eprintln!`], but what can't be written is lost in silence.
macro_rules! errln {
    ($($arguments:tt)*) => { $crate::cli::output::write_error(format_args!($($arguments)*)) };
}

pub(crate) use {errln, out, outln};

/// When lines are coloured, as `--color` says.
static CHOICE: OnceLock<ColorChoice> = OnceLock::new();
/// Characters of the line of progress that stands on the terminal, 0 where there is none.
static DRAWN: Mutex<usize> = Mutex::new(0);

/// Says when lines are coloured, from the first line on.
pub(crate) fn colour(choice: ColorChoice) {
    let _ = CHOICE.set(choice);
}

/// Whether what is written to a stream is coloured.
fn is_coloured(stream: &impl IsTerminal) -> bool {
    match CHOICE.get().copied().unwrap_or(ColorChoice::Auto) {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            stream.is_terminal() && !no_colour && !is_dumb()
        }
    }
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Whether standard error can show a line and take it away again: a terminal that is not dumb, with a person before it.
pub(crate) fn has_live_line() -> bool {
    std::io::stderr().is_terminal() && !is_dumb() && std::env::var_os("CI").is_none()
}

/// Columns of the terminal behind standard output; nothing where there is none.
pub(crate) fn width() -> Option<usize> {
    columns(&std::io::stdout())
}

#[cfg(unix)]
fn columns(stream: &impl std::os::fd::AsFd) -> Option<usize> {
    terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0)).filter(|&width| width > 0)
}

#[cfg(windows)]
fn columns(stream: &impl std::os::windows::io::AsHandle) -> Option<usize> {
    terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0)).filter(|&width| width > 0)
}

/// A table that fits the terminal; as wide as it is elsewhere.
pub(crate) fn fitted(table: &Table) -> String {
    match width() {
        Some(width) => table.fitted(width),
        None => table.to_string(),
    }
}

/// Draws the line of progress that `line` gives for a width, in the place of the one before.
pub(crate) fn draw(line: impl FnOnce(usize) -> String) {
    let mut drawn = drawn();
    let mut stream = std::io::stderr().lock();
    let width = columns(&stream).unwrap_or(80);
    // The last column stays free: a cursor behind it may stand on the next line already.
    let text = line(width.saturating_sub(1));
    let _ = write!(stream, "{}{text}\u{1b}[K", back(*drawn, width));
    let _ = stream.flush();
    *drawn = text.chars().count();
}

/// Takes the line of progress away.
pub(crate) fn clear() {
    take_away(&mut drawn());
}

fn drawn() -> MutexGuard<'static, usize> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take_away(drawn: &mut usize) {
    if *drawn > 0 {
        let mut stream = std::io::stderr().lock();
        let width = columns(&stream).unwrap_or(80);
        let _ = write!(stream, "{}\u{1b}[K", back(*drawn, width));
        let _ = stream.flush();
        *drawn = 0;
    }
}

/// The sequence that brings the cursor to the beginning of a line of `drawn` characters. A terminal that became narrower shows it in several rows.
fn back(drawn: usize, width: usize) -> String {
    match drawn.div_ceil(width.max(1)).saturating_sub(1) {
        0 => "\r".to_owned(),
        rows => format!("\u{1b}[{rows}A\r\u{1b}[J"),
    }
}

/// Writes to standard output, or ends the process with exit code 1 where that fails.
pub(crate) fn write_out(text: Arguments<'_>) {
    let mut drawn = drawn();
    take_away(&mut drawn);
    let mut out = std::io::stdout().lock();
    let text = styled(&text.to_string(), &out);
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        drop((out, drawn));
        no_room(&error);
    }
}

/// Ends the process where standard output can't be written.
pub(crate) fn no_room(error: &std::io::Error) -> ! {
    errln!("decant: can't write to standard output: {error}");
    std::process::exit(1)
}

/// Writes one line to standard error.
pub(crate) fn write_error(text: Arguments<'_>) {
    let mut drawn = drawn();
    take_away(&mut drawn);
    let mut stream = std::io::stderr().lock();
    let text = styled(&format!("{text}\n"), &stream);
    // There is no better place to complain.
    let _ = stream.write_all(text.as_bytes());
}

/// Text as its stream shows it.
#[cfg(unix)]
fn styled(text: &str, stream: &(impl IsTerminal + std::os::fd::AsFd)) -> String {
    style::styled(text, columns(stream).filter(|_| stream.is_terminal()), is_coloured(stream))
}

#[cfg(windows)]
fn styled(text: &str, stream: &(impl IsTerminal + std::os::windows::io::AsHandle)) -> String {
    style::styled(text, columns(stream).filter(|_| stream.is_terminal()), is_coloured(stream))
}

/// One value as indented JSON on standard output.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    outln!("{}", serde_json::to_string_pretty(value).expect("plain data"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_a_narrower_terminal_broke_is_taken_away_whole() {
        assert_eq!(back(0, 80), "\r");
        assert_eq!(back(79, 80), "\r");
        assert_eq!(back(119, 45), "\u{1b}[2A\r\u{1b}[J");
        assert_eq!(back(44, 120), "\r");
    }
}
