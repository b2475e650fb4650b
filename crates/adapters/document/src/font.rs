//! The font: which letters it has, and how wide a text is.

use krilla::text::Font;
use ttf_parser::Face;

/// DejaVu Sans 2.37: Latin with all of Europe's marks, Greek, Cyrillic, Hebrew and Arabic.
const DEJAVU_SANS: &[u8] = include_bytes!("../fonts/DejaVuSans.ttf");
/// What stands for a letter that the font does not have.
const UNKNOWN: char = '\u{FFFD}';

/// A font that is ready to be written with.
pub(crate) struct Typeface {
    pub(crate) font: Font,
    face: Face<'static>,
}

impl Typeface {
    pub(crate) fn load() -> Option<Self> {
        Some(Self { font: Font::new(DEJAVU_SANS.into(), 0)?, face: Face::parse(DEJAVU_SANS, 0).ok()? })
    }

    /// The text as this font can write it: what it does not have is a replacement character, and what only steers how a
    /// line runs, or joins emojis, is left out, since it could turn around what stands beside it.
    pub(crate) fn writable(&self, text: &str) -> String {
        let letter = |letter: char| match letter {
            _ if letter.is_control() || letter.is_whitespace() => Some(' '),
            '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' => None,
            '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' => None,
            _ if self.face.glyph_index(letter).is_some() => Some(letter),
            _ => Some(UNKNOWN),
        };
        text.chars().filter_map(letter).collect()
    }

    /// How wide a text is, at this size, before it is shaped.
    pub(crate) fn width(&self, text: &str, size: f32) -> f32 {
        let advance = |letter| self.face.glyph_index(letter).and_then(|glyph| self.face.glyph_hor_advance(glyph));
        let units: f32 = text.chars().filter_map(advance).map(f32::from).sum();
        units / f32::from(self.face.units_per_em()) * size
    }

    /// The text in lines of at most this width: broken between words, within a word only where that alone is too wide,
    /// and ended by an ellipsis where more than `most` lines would be needed.
    pub(crate) fn lines(&self, text: &str, size: f32, width: f32, most: usize) -> Vec<String> {
        let text = self.writable(text);
        let mut lines: Vec<String> = Vec::new();
        let mut line = String::new();
        for word in text.split_whitespace() {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.width(&longer, size) <= width {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for letter in word.chars() {
                line.push(letter);
                if self.width(&line, size) > width && line.chars().count() > 1 {
                    line.pop();
                    lines.push(std::mem::replace(&mut line, letter.to_string()));
                }
                if lines.len() > most {
                    break;
                }
            }
            if lines.len() > most {
                break;
            }
        }
        if !line.is_empty() {
            lines.push(line);
        }
        if lines.len() > most {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                last.push('…');
                while self.width(last, size) > width && last.pop().is_some() && last.pop().is_some() {
                    last.push('…');
                }
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_europe_writes_is_written_as_it_is() {
        let typeface = Typeface::load().unwrap();
        for text in ["Zażółć gęślą jaźń", "Ελληνικά ώρα", "Привіт, їжак ґ", "Árvíztűrő", "İstanbul", "שלום", "مرحبا"]
        {
            assert_eq!(typeface.writable(text), text);
        }
    }

    #[test]
    fn what_cannot_be_written_is_seen_to_be_missing() {
        let typeface = Typeface::load().unwrap();
        assert_eq!(typeface.writable("a\u{1F468}\u{200D}\u{1F469}b"), "a\u{FFFD}\u{FFFD}b");
        assert_eq!(typeface.writable("a\u{202E}b\nc\td\u{FEFF}"), "ab c d");
    }

    #[test]
    fn lines_are_as_wide_as_the_paper_and_as_many_as_there_is_room_for() {
        let typeface = Typeface::load().unwrap();
        assert_eq!(typeface.lines("one two three", 10.0, 45.0, 5), ["one two", "three"]);
        assert_eq!(typeface.lines("", 10.0, 45.0, 5), [""; 0]);
        for text in ["x".repeat(10_000), "word ".repeat(2_000), "Ź".repeat(300), "\u{1F600}".repeat(10_000)] {
            let lines = typeface.lines(&text, 10.0, 60.0, 3);
            assert_eq!(lines.len(), 3);
            assert!(lines.iter().all(|line| typeface.width(line, 10.0) <= 60.0), "{lines:?}");
            assert!(lines[2].ends_with('…'), "{lines:?}");
        }
    }
}
