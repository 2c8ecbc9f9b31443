//! Names, in words, of files that are not images that decant reads.

/// Completes the sentence "it ...".
pub(super) fn describe(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "it is empty".to_owned();
    }
    let named = by_signature(bytes).or_else(|| by_text(bytes));
    match named {
        Some(name) => format!("it is {name}"),
        None if bytes.iter().all(|&byte| byte == 0) => "it holds nothing but zeros".to_owned(),
        None => "its content is of no known format".to_owned(),
    }
}

/// How files of other formats begin.
const SIGNATURES: [(&[u8], &str); 24] = [
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "Photoshop (PSD)"),
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed by Zstandard"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"\0\0\x01\0", "an icon (ICO)"),
    (b"\0\0\x02\0", "a cursor (CUR)"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "HDF5"),
    (b"PAR1", "parquet"),
    (b"SIMPLE  =", "FITS"),
    (b"\x1a\x45\xdf\xa3", "a video (Matroska)"),
    (b"OggS", "sound (Ogg)"),
    (b"\x7fELF", "a program"),
];

fn by_signature(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some(match bytes.get(8..12) {
            Some(b"avif" | b"avis") => "AVIF",
            Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1") => "HEIC",
            Some(b"crx ") => "a raw photograph (CR3)",
            _ => "a video (MP4)",
        });
    }
    if bytes.starts_with(b"RIFF") {
        return Some(match bytes.get(8..12) {
            Some(b"AVI ") => "a video (AVI)",
            Some(b"WAVE") => "sound (WAVE)",
            _ => "a RIFF file",
        });
    }
    SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature)).map(|&(_, name)| name)
}

fn by_text(bytes: &[u8]) -> Option<&'static str> {
    if let [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t', ..] = bytes {
        return Some("a portable anymap (PNM)");
    }
    let start = &bytes[..bytes.len().min(512)];
    let printable = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace() || *byte >= 0x80;
    if !start.iter().all(printable) {
        return None;
    }
    // A character can be cut at the end of what was looked at.
    if std::str::from_utf8(start).is_err_and(|error| error.error_len().is_some()) {
        return None;
    }
    let text = String::from_utf8_lossy(start).trim_start().to_ascii_lowercase();
    Some(match text.as_str() {
        text if text.starts_with("version https://git-lfs") => {
            "a Git LFS pointer; `git lfs pull` fetches the image"
        }
        text if text.contains("<svg") => "SVG",
        text if text.starts_with("<!doctype html") || text.starts_with("<html") => "a web page (HTML)",
        text if text.starts_with("<?xml") => "XML",
        text if text.starts_with(['{', '[']) => "JSON",
        _ => "text",
    })
}
