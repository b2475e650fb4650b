//! The sheet of one ticket.

use std::num::NonZeroU16;

use application::admission::{Paper, TicketSheet};
use krilla::color::{luma, rgb};
use krilla::configure::Configuration;
use krilla::destination::XyzDestination;
use krilla::error::KrillaError;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::tagging::{ContentTag, Identifier, Node, SpanTag, Tag, TagGroup, TagTree};
use krilla::text::TextDirection;
use krilla::{Document, SerializeSettings};
use qrcode::types::QrError;
use qrcode::{Color, EcLevel, QrCode};

use crate::font::Typeface;
use crate::words::{Words, words};

/// A sheet that cannot be made is a defect.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SheetError {
    #[error("the code does not fit a QR code")]
    Code(#[from] QrError),
    #[error("the document cannot be written: {0:?}")]
    Document(KrillaError),
    #[error("the sheet has no size")]
    Size,
    #[error("the lines cannot be summed")]
    Sums,
}

/// Measures, in points: 72 of them are an inch.
struct Measures {
    width: f32,
    height: f32,
    margin: f32,
    heading: f32,
    body: f32,
    label: f32,
    /// The side of the QR code with its quiet zone.
    code: f32,
}

const fn measures(paper: Paper) -> Measures {
    match paper {
        Paper::A4 => {
            Measures { width: 595.28, height: 841.89, margin: 56.0, heading: 26.0, body: 13.0, label: 9.0, code: 230.0 }
        }
        Paper::Phone => {
            Measures { width: 255.12, height: 453.54, margin: 16.0, heading: 14.0, body: 9.5, label: 6.5, code: 172.0 }
        }
    }
}

/// Blank modules around a QR code (ISO/IEC 18004).
const QUIET: usize = 4;

/// A page for each sheet. The language of the first is that of the document.
pub(crate) fn print(sheets: &[TicketSheet], typeface: &Typeface) -> Result<Vec<u8>, SheetError> {
    print_by(sheets, typeface, Configuration::default())
}

fn print_by(sheets: &[TicketSheet], typeface: &Typeface, rules: Configuration) -> Result<Vec<u8>, SheetError> {
    let mut document = Document::new_with(SerializeSettings { configuration: rules, ..SerializeSettings::default() });
    let title =
        |sheet: &TicketSheet| typeface.writable(&format!("{}: {}", words(sheet.language).ticket, sheet.event.name));
    if let Some(sheet) = sheets.first() {
        // No date, so that the same sheets have the same bytes.
        document.set_metadata(Metadata::new().title(title(sheet)).language(sheet.language.as_str().to_owned()));
    }
    let (mut tree, mut outline) = (TagTree::new(), Outline::new());
    for (number, sheet) in sheets.iter().enumerate() {
        for group in print_page(&mut document, sheet, typeface)? {
            tree.push(group);
        }
        outline.push_child(OutlineNode::new(title(sheet), XyzDestination::new(number, Point::from_xy(0.0, 0.0))));
    }
    document.set_tag_tree(tree);
    document.set_outline(outline);
    document.finish().map_err(SheetError::Document)
}

fn print_page(document: &mut Document, sheet: &TicketSheet, typeface: &Typeface) -> Result<Vec<TagGroup>, SheetError> {
    let measures = measures(sheet.paper);
    let settings = PageSettings::from_wh(measures.width, measures.height).ok_or(SheetError::Size)?;
    let mut page = document.start_page_with(settings);
    let mut surface = page.surface();
    let mut pen = Pen { surface: &mut surface, typeface, measures: &measures, y: measures.margin, tags: Vec::new() };
    let written = pen.write_sheet(sheet, words(sheet.language)).map(|()| pen.tags);
    surface.finish();
    page.finish();
    written
}

/// Writes from the top downwards.
struct Pen<'page, 'a> {
    surface: &'a mut Surface<'page>,
    typeface: &'a Typeface,
    measures: &'a Measures,
    /// How far down it is.
    y: f32,
    tags: Vec<TagGroup>,
}

impl Pen<'_, '_> {
    fn write_sheet(&mut self, sheet: &TicketSheet, words: &Words) -> Result<(), SheetError> {
        let Measures { heading, body, label, .. } = *self.measures;
        let title = self.typeface.writable(sheet.event.name.as_str());
        let level = Tag::Hn(NonZeroU16::MIN, Some(title));
        self.write(TagGroup::new(level), sheet.event.name.as_str(), heading, 3);
        self.y += body * 0.4;
        let period = words.period(sheet.event.start_at, sheet.event.end_at, sheet.event.timezone);
        self.write(TagGroup::new(Tag::P), &period, body, 3);
        if let Some(venue) = &sheet.event.venue {
            self.write(TagGroup::new(Tag::P), venue.as_str(), body, 2);
        }
        self.y += body * 0.8;
        self.draw_code(sheet, words)?;
        self.y += body * 0.8;
        let number = format!("{} {} {}", sheet.unit, words.of, sheet.units);
        let pairs = [
            (words.attendee, sheet.attendee.as_deref()),
            (words.ticket_type, Some(sheet.ticket_type.as_str())),
            (words.reference, Some(sheet.reference.as_str())),
            (words.number, Some(number.as_str())),
        ];
        for (name, value) in pairs.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            self.write(TagGroup::new(Tag::P), name, label, 1);
            self.write(TagGroup::new(Tag::P), value, body, 2);
            self.y += body * 0.3;
        }
        self.write(TagGroup::new(Tag::P), words.hint, label, 3);
        Ok(())
    }

    fn write(&mut self, mut group: TagGroup, text: &str, size: f32, most: usize) {
        let Measures { width, margin, .. } = *self.measures;
        for line in self.typeface.lines(text, size, width - 2.0 * margin, most) {
            self.y += size * 1.25;
            let tagged = self.surface.start_tagged(ContentTag::Span(SpanTag::empty()));
            self.surface.set_fill(Some(Fill { paint: luma::Color::black().into(), ..Fill::default() }));
            let at = Point::from_xy(margin, self.y);
            self.surface.draw_text(at, self.typeface.font.clone(), size, &line, false, TextDirection::Auto);
            self.surface.end_tagged();
            group.push(Node::Leaf(tagged));
        }
        if !group.children.is_empty() {
            self.tags.push(group);
        }
    }

    fn draw_code(&mut self, sheet: &TicketSheet, words: &Words) -> Result<(), SheetError> {
        let code = QrCode::with_error_correction_level(sheet.code.expose(), EcLevel::M)?;
        let modules = code.width();
        #[expect(clippy::cast_precision_loss, reason = "a QR code has at most 177 modules")]
        let (side, at) = (self.measures.code / (modules + 2 * QUIET) as f32, |module: usize| module as f32);
        let left = (self.measures.width - self.measures.code) / 2.0;
        let tagged: Identifier = self.surface.start_tagged(ContentTag::Other);
        let mut path = PathBuilder::new();
        for (row, colors) in code.to_colors().chunks(modules).enumerate() {
            let mut column = 0;
            // A run of dark modules is one rectangle: seams between them would be seen.
            while column < modules {
                let run = colors[column..].iter().take_while(|color| **color == Color::Dark).count();
                if run > 0 {
                    let (x, y) = (left + side * at(QUIET + column), self.y + side * at(QUIET + row));
                    Rect::from_xywh(x, y, side * at(run), side).into_iter().for_each(|rect| path.push_rect(rect));
                }
                column += run.max(1);
            }
        }
        self.surface.set_fill(Some(Fill { paint: rgb::Color::black().into(), ..Fill::default() }));
        path.finish().iter().for_each(|path| self.surface.draw_path(path));
        self.surface.end_tagged();
        let figure = Tag::Figure(Some(words.code.to_owned()));
        self.tags.push(TagGroup::with_children(figure, vec![Node::Leaf(tagged)]));
        self.y += self.measures.code;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use chrono_tz::Europe::Warsaw;
    use domain::admission::{CodeClaims, CodeText, Validity};
    use domain::catalog::EventTerms;
    use domain::{EventId, Language, Text, TicketId, TicketTypeId, Timestamp};
    use krilla::configure::{Accessibility, ConfigurationBuilder};
    use uuid::Uuid;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn terms() -> EventTerms {
        EventTerms {
            name: Text::trusted("Zażółć gęślą jaźń: Ελληνικά и Кирилица".to_owned()),
            description: None,
            venue: Some(Text::trusted("Hala Stulecia, Wrocław".to_owned())),
            timezone: Warsaw,
            start_at: at("2027-01-22T18:00:00Z"),
            end_at: at("2027-01-22T22:00:00Z"),
            hold: TimeDelta::minutes(15),
            pricing: None,
            blocks_disputed: false,
            waiting_list: false,
            offer: TimeDelta::days(1),
        }
    }

    fn code() -> CodeText {
        let claims = CodeClaims {
            key: 1,
            ticket: TicketId::new(Uuid::from_u128(1)),
            event: EventId::new(Uuid::from_u128(2)),
            ticket_type: TicketTypeId::new(Uuid::from_u128(3)),
            validity: Validity::of(&terms()),
            issue: 1,
        };
        claims.signed(&[0xA5; 64])
    }

    fn sheet(language: Language, paper: Paper) -> TicketSheet {
        TicketSheet {
            language,
            paper,
            event: terms(),
            ticket_type: "Miejsce stojące".to_owned(),
            attendee: Some("Łucja Świątek".to_owned()),
            reference: "K7P3X9".to_owned(),
            unit: 1,
            units: 3,
            code: code(),
        }
    }

    fn typeface() -> Typeface {
        Typeface::load().unwrap()
    }

    /// What a program can check of PDF/UA-1 (ISO 14289): tags on everything, a title, a language, no letter without glyph.
    #[test]
    fn a_sheet_is_accessible() {
        let rules = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish().unwrap();
        for language in Language::ALL {
            for paper in [Paper::A4, Paper::Phone] {
                let document = print_by(&[sheet(language, paper)], &typeface(), rules).unwrap();
                assert!(document.starts_with(b"%PDF-"), "{language:?} {paper:?}");
            }
        }
    }

    #[test]
    fn the_same_sheet_has_the_same_bytes() {
        let sheet = sheet(Language::Polish, Paper::A4);
        let document = print(std::slice::from_ref(&sheet), &typeface()).unwrap();
        assert_eq!(document, print(std::slice::from_ref(&sheet), &typeface()).unwrap());
        assert!(document.len() < 60_000, "the font is cut to what is used: {}", document.len());
        let other = TicketSheet { unit: 2, ..sheet };
        assert_ne!(document, print(std::slice::from_ref(&other), &typeface()).unwrap());
    }

    #[test]
    fn each_sheet_has_its_page() {
        let rules = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish().unwrap();
        let sheets = [1, 2, 3].map(|unit| TicketSheet { unit, ..sheet(Language::English, Paper::A4) });
        assert!(print_by(&sheets, &typeface(), rules).is_ok());
        let document = print(&sheets, &typeface()).unwrap();
        assert!(String::from_utf8_lossy(&document).contains("/Count 3"), "pages");
        assert!(document.len() < 100_000, "they share their font: {}", document.len());
    }

    /// Long, of mixed directions, without glyphs, or with what other programs would take for commands.
    #[test]
    fn hostile_names_are_harmless() {
        let rules = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish().unwrap();
        for name in [
            "x".repeat(10_000),
            "\u{202E}\u{1F600}".repeat(5_000),
            "שלום عالم abc \u{0300}\u{0301}\u{0302}".to_owned(),
            "=HYPERLINK(\"http://evil\") <script>) Tj ET (endobj".to_owned(),
            "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}".to_owned(),
            "\n\r\t".to_owned(),
        ] {
            for paper in [Paper::A4, Paper::Phone] {
                let mut sheet = sheet(Language::English, paper);
                sheet.event.name = Text::trusted(name.clone());
                sheet.event.venue = Some(Text::trusted(name.clone()));
                (sheet.attendee, sheet.ticket_type) = (Some(name.clone()), name.clone());
                let document = print(std::slice::from_ref(&sheet), &typeface()).unwrap();
                let text = String::from_utf8_lossy(&document);
                assert!(!text.contains("/JavaScript") && !text.contains("/URI"), "{name:.40}");
                assert!(text.contains("/Count 1"), "one page");
                assert!(print_by(std::slice::from_ref(&sheet), &typeface(), rules).is_ok(), "{name:.40}");
            }
        }
    }

    #[test]
    fn all_of_it_is_on_the_page() {
        for paper in [Paper::A4, Paper::Phone] {
            let mut full = sheet(Language::English, paper);
            let long = "Wort ".repeat(100);
            full.event.name = Text::trusted(long.clone());
            full.event.venue = Some(Text::trusted(long.clone()));
            (full.attendee, full.ticket_type) = (Some(long.clone()), long);
            assert!(
                end_of(&full) < measures(paper).height - measures(paper).margin / 2.0,
                "{paper:?}: {}",
                end_of(&full)
            );
        }
    }

    /// How far down the last line is.
    fn end_of(sheet: &TicketSheet) -> f32 {
        let (typeface, measures) = (typeface(), measures(sheet.paper));
        let mut document = Document::new();
        let mut page = document.start_page_with(PageSettings::from_wh(measures.width, measures.height).unwrap());
        let mut surface = page.surface();
        let (y, tags) = (measures.margin, Vec::new());
        let mut pen = Pen { surface: &mut surface, typeface: &typeface, measures: &measures, y, tags };
        pen.write_sheet(sheet, words(sheet.language)).unwrap();
        pen.y
    }
}
