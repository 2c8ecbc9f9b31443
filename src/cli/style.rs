//! Lines as a terminal shows them: wrapped at words, with the words that matter in colour.

/// The widest place that a line's key may take: what wraps goes below its value.
const KEY: usize = 16;
const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const GREEN: &str = "\u{1b}[1;32m";
const PLAIN: &str = "\u{1b}[0m";

/// The words that are coloured at the beginning of a line, and the colour of each.
const WORDS: [(&str, &str); 7] = [
    ("decant:", RED),
    ("error:", RED),
    ("warning:", YELLOW),
    ("warning ", YELLOW),
    ("not significant:", YELLOW),
    ("significant:", GREEN),
    ("best ", GREEN),
];

/// Text, every line wrapped to `width` where there is one, and coloured where that is asked for.
pub(crate) fn styled(text: &str, width: Option<usize>, coloured: bool) -> String {
    if width.is_none() && !coloured {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (content, end) = line.strip_suffix('\n').map_or((line, ""), |content| (content, "\n"));
        let wrapped = width.map_or_else(|| content.to_owned(), |width| wrap(content, width));
        if coloured {
            out.push_str(&coloured_line(&wrapped));
        } else {
            out.push_str(&wrapped);
        }
        out.push_str(end);
    }
    out
}

/// A line in as many as it needs, broken between words; those after the first stand below the value of a `key      value` line.
/// Rows of tables and lines without a space are left as they are.
fn wrap(line: &str, width: usize) -> String {
    // JSON is for programs, also where it passes by a person.
    let trimmed = line.trim();
    let is_json = trimmed.starts_with(['{', '}', ']', '"']) || ["[", "[]", "[],"].contains(&trimmed);
    let is_short = |text: &str| text.chars().count() <= width;
    let indent = value_column(line);
    if is_json || is_short(line) || width < indent + 20 || is_row(line, indent) {
        return line.to_owned();
    }
    let head: String = line.chars().take(indent).collect();
    let rest: String = line.chars().skip(indent).collect();
    let mut lines: Vec<String> = Vec::new();
    let mut current = head;
    let mut is_first = true;
    for word in words(&rest) {
        let longer = current.chars().count() + usize::from(!is_first) + word.chars().count();
        if longer > width && !is_first {
            lines.push(std::mem::replace(&mut current, " ".repeat(indent)));
            is_first = true;
        }
        if !is_first {
            current.push(' ');
        }
        current.push_str(&word);
        is_first = false;
    }
    lines.push(current);
    lines.join("\n")
}

/// The words of a text; a per cent sign stays with its number.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match words.last_mut() {
            Some(number) if word.starts_with('%') => {
                number.push(' ');
                number.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// Where the value begins in a line such as `  loss     w_ce 0.5`; else where the text begins.
fn value_column(line: &str) -> usize {
    let letters: Vec<char> = line.chars().collect();
    let start = letters.iter().take_while(|letter| **letter == ' ').count();
    let key = letters[start..].iter().take_while(|letter| **letter != ' ').count();
    let gap = letters[start + key..].iter().take_while(|letter| **letter == ' ').count();
    if gap >= 2 && start + key + gap <= KEY { start + key + gap } else { start }
}

/// Whether what follows the key has three columns or more of its own.
fn is_row(line: &str, indent: usize) -> bool {
    let rest: String = line.chars().skip(indent).collect();
    rest.split("  ").filter(|part| !part.trim().is_empty()).count() > 2
}

fn coloured_line(line: &str) -> String {
    let trimmed = line.trim_start();
    let start = line.len() - trimmed.len();
    for (word, colour) in WORDS {
        if let Some(rest) = trimmed.strip_prefix(word) {
            return format!(
                "{}{colour}{}{PLAIN}{}{rest}",
                &line[..start],
                word.trim_end(),
                &word[word.trim_end().len()..]
            );
        }
    }
    // The best epoch so far.
    match line.strip_suffix(" *") {
        Some(before) => format!("{before} {GREEN}*{PLAIN}"),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_wrap_at_words_below_their_values() {
        let line = "  data     beans: train 1034, validation 133, test 128; 3 classes: angular_leaf_spot, bean_rust, healthy";
        insta::assert_snapshot!(styled(line, Some(45), false), @r"
          data     beans: train 1034, validation 133,
                   test 128; 3 classes:
                   angular_leaf_spot, bean_rust,
                   healthy
        ");
        let error = "decant: there is no run abc; did you mean runs/abd, runs/abe?";
        assert_eq!(
            styled(error, Some(40), false),
            "decant: there is no run abc; did you\nmean runs/abd, runs/abe?"
        );
        // A name before its results, at a distance that lets those of several lines stand below each other.
        let run = "[ 1/20] lambda=0 lr=0.001 seed=0           val 50.0 %, test 41.7 %, 0.4 s";
        assert_eq!(styled(run, Some(80), false), run);
        assert_eq!(
            styled(run, Some(60), false),
            "[ 1/20] lambda=0 lr=0.001 seed=0 val 50.0 %, test 41.7 %,\n0.4 s"
        );
        assert_eq!(
            styled("accuracy on validation is 35.0 %, no more", Some(31), false),
            "accuracy on validation is\n35.0 %, no more"
        );
    }

    #[test]
    fn rows_paths_and_lines_that_fit_are_left_as_they_are() {
        for line in [
            "  class              images  precision  recall",
            "a-path-that-is-longer-than-the-terminal-is-wide/and-has-no-space",
            "short",
            "  \"key\": \"a text of a JSON file that must stay in one line\"",
            "",
        ] {
            assert_eq!(styled(line, Some(30), false), line);
            assert_eq!(styled(line, None, false), line);
        }
        assert_eq!(styled("a\nb\n", Some(80), true), "a\nb\n");
    }

    #[test]
    fn errors_warnings_the_best_and_the_verdict_are_coloured() {
        assert_eq!(styled("decant: no", None, true), "\u{1b}[1;31mdecant:\u{1b}[0m no");
        assert_eq!(styled("  warning  careful\n", None, true), "  \u{1b}[1;33mwarning\u{1b}[0m  careful\n");
        assert_eq!(styled("not significant: +1", None, true), "\u{1b}[1;33mnot significant:\u{1b}[0m +1");
        assert_eq!(styled("  1/3  0.5 *", None, true), "  1/3  0.5 \u{1b}[1;32m*\u{1b}[0m");
        assert_eq!(styled("bestow", None, true), "bestow");
    }
}
