//! How numbers are written for people.

/// `0.8281` as `82.8 %`.
pub(crate) fn percent(share: f64) -> String {
    if share.is_nan() {
        return "-".to_owned();
    }
    format!("{:.1} %", 100.0 * share)
}

/// `82.8 %`, or `-` for what was not measured.
pub(crate) fn percent_or_dash(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), percent)
}

/// A number with three digits, or `-` for what was not measured.
pub(crate) fn number_or_dash(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.3}"))
}

/// Bytes with a unit, in powers of 1000.
pub(crate) fn bytes(count: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// A large number in three digits: `812`, `700 k`, `3.40 M`, `16.9 G`.
pub(crate) fn magnitude(number: f64) -> String {
    let (value, unit) = match number {
        number if number < 1e3 => return format!("{number:.0}"),
        number if number < 0.9995e6 => (number / 1e3, "k"),
        number if number < 0.9995e9 => (number / 1e6, "M"),
        number => (number / 1e9, "G"),
    };
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} {unit}")
}

/// Seconds as `4.2 s`, `3 min 20 s` or `2 h 05 min`.
pub(crate) fn seconds(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// How long ago: `12 s`, `5 min`, `3 h`, `20 d`.
pub(crate) fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A number with its sign, a real minus: `+1.2`, `−0.4`.
pub(crate) fn signed(value: f64) -> String {
    format!("{value:+.1}").replace('-', "−")
}

/// `1 seed`, `3 seeds`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// `kd, dkd or ce`.
pub(crate) fn alternatives(names: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// A whole number with its thousands apart: `399,971`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The text with its absolute paths cut to their last two parts, `…/beans/train`: what a page shows is for others to read.
pub(crate) fn without_absolute_paths(text: &str) -> String {
    let is_part = |letter: char| !letter.is_whitespace() && !"\"'`,;()<>".contains(letter);
    let (mut out, mut rest, mut before) = (String::with_capacity(text.len()), text, ' ');
    while let Some(letter) = rest.chars().next() {
        if letter == '/' && !is_part(before) {
            let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
            let path = &rest[..end];
            let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
            if parts.len() > 2 {
                out.push_str("…/");
                out.push_str(&parts[parts.len() - 2..].join("/"));
            } else {
                out.push_str(path);
            }
            (rest, before) = (&rest[end..], 'x');
            continue;
        }
        out.push(letter);
        (rest, before) = (&rest[letter.len_utf8()..], letter);
    }
    out
}

/// Temperatures and weights as people write them: `5`, `2.5`.
pub(crate) fn numbers(values: &[f32]) -> String {
    values.iter().map(f32::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_lose_what_is_private() {
        let shown = without_absolute_paths(
            "ignored /home/me/data/beans/LICENSE, \"/a/b/c/d.onnx\" and hub:org/name, runs/a/b (/tmp)",
        );
        assert_eq!(shown, "ignored …/beans/LICENSE, \"…/c/d.onnx\" and hub:org/name, runs/a/b (/tmp)");
    }

    #[test]
    fn numbers_are_written_with_their_units() {
        assert_eq!([0, 999, 1000, 12_345_678].map(bytes), ["0 B", "999 B", "1.0 kB", "12.3 MB"]);
        assert_eq!([4.24, 200.4, 7512.0].map(seconds), ["4.2 s", "3 min 20 s", "2 h 05 min"]);
        assert_eq!([59, 61, 7300, 180_000].map(age), ["59 s", "1 min", "2 h", "2 d"]);
        assert_eq!(percent(0.8281), "82.8 %");
        assert_eq!(numbers(&[1.0, 2.5]), "1, 2.5");
        assert_eq!([999, 1000, 3_504_872].map(grouped), ["999", "1,000", "3,504,872"]);
        assert_eq!([1.25, -0.44].map(signed), ["+1.2", "−0.4"]);
        assert_eq!([812.0, 700_490.0, 3.4e6, 16.86e9].map(magnitude), ["812", "700 k", "3.40 M", "16.9 G"]);
        assert_eq!([999_600.0, 99.96e6].map(magnitude), ["1.00 M", "100 M"]);
        assert_eq!([1, 3].map(|number| count(number, "seed")), ["1 seed", "3 seeds"]);
    }
}
