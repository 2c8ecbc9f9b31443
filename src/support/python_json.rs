//! JSON as Python's `json` module writes and reads it.
//!
//! Python writes `NaN`, `Infinity` and `-Infinity` for floats that JSON has no numbers for. They become `null` here: a key that
//! is needed is then missing, and one that is not needed does no harm. Editors under Windows put a byte order mark in front.

use serde_json::Value;

/// Reads the text of a JSON file.
///
/// # Errors
/// Text that is not JSON, or not UTF-8; the text of the error says where.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, String> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err("it is UTF-16 text, expected UTF-8".to_owned());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("it is not UTF-8 text (byte {} is not)", error.valid_up_to()))?;
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(error) => serde_json::from_str(&without_constants(text)).map_err(|_| error.to_string()),
    }
}

/// `null` in place of each `NaN`, `Infinity` and `-Infinity` outside of strings.
fn without_constants(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let constant = ["NaN", "-Infinity", "Infinity"].into_iter().find(|name| rest.starts_with(name));
        if let (false, Some(name)) = (in_string, constant) {
            result.push_str("null");
            rest = &rest[name.len()..];
            continue;
        }
        match (character, escaped) {
            ('"', false) => in_string = !in_string,
            ('\\', false) if in_string => escaped = true,
            _ => escaped = false,
        }
        result.push(character);
        rest = &rest[character.len_utf8()..];
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pythons_constants_and_a_byte_order_mark_are_read() {
        let text = "\u{feff}{\"a\": NaN, \"b\": [-Infinity, Infinity, 1.5], \"c\\\"NaN\": \"NaN \\\" NaN\"}";
        let value = parse(text.as_bytes()).unwrap();
        assert_eq!(value["a"], Value::Null);
        assert_eq!(value["b"], serde_json::json!([null, null, 1.5]));
        assert_eq!(value["c\"NaN"], "NaN \" NaN");
    }

    #[test]
    fn other_text_is_an_error_that_says_where() {
        assert!(parse(b"{\"a\": NaN").unwrap_err().contains("column"));
        assert!(parse(b"{\"a\": nan}").unwrap_err().contains("line 1"));
        assert!(parse(b"\xff\xfe{\0}\0").unwrap_err().contains("UTF-16"));
        assert!(parse(b"{\"Gr\xfcn\": 1}").unwrap_err().contains("byte 4"));
    }
}
