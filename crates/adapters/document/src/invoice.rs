//! The sheets of an invoice or a credit note.
//!
//! First everything gets its place, on as many pages as it needs; then the pages are written. What is placed is known to
//! tests as text.

use std::num::NonZeroU16;

use application::invoicing::InvoiceSheet;
use domain::Money;
use domain::invoicing::{InvoiceLine, InvoiceTaxes, Sums, taxes};
use domain::pricing::Rate;
use krilla::color::luma;
use krilla::configure::Configuration;
use krilla::destination::XyzDestination;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::tagging::{
    Artifact, ArtifactType, ContentTag, Node, SpanTag, TableHeaderScope, Tag, TagGroup, TagKind, TagTree,
};
use krilla::text::TextDirection;
use krilla::{Document, SerializeSettings};

use crate::font::Typeface;
use crate::invoice_words::{InvoiceWords, words};
use crate::sheet::SheetError;

const WIDTH: f32 = 595.28;
const HEIGHT: f32 = 841.89;
const MARGIN: f32 = 56.0;
const HEADING: f32 = 20.0;
const BODY: f32 = 9.5;
const LABEL: f32 = 7.5;
/// More lines than what the law wants to stand there takes at its longest: none of it is cut.
const UNCUT: usize = 12;
/// From one line of text to the next, in sizes of its letters.
const LEADING: f32 = 1.3;

/// A column: where its text begins, or ends where it is of numbers, and how wide it is.
#[derive(Clone, Copy)]
struct Column {
    at: f32,
    width: f32,
    is_number: bool,
}

const fn of_text(at: f32, width: f32) -> Column {
    Column { at, width, is_number: false }
}

const fn of_numbers(end: f32, width: f32) -> Column {
    Column { at: end, width, is_number: true }
}

const WHOLE: Column = of_text(MARGIN, WIDTH - 2.0 * MARGIN);
const LEFT: Column = of_text(MARGIN, 225.0);
const RIGHT: Column = of_text(MARGIN + 245.0, 238.0);
/// What for, how many, price of one, discount, rate, net, tax, gross.
const LINES: [Column; 8] = [
    of_text(MARGIN, 142.0),
    of_numbers(228.0, 28.0),
    of_numbers(288.0, 58.0),
    of_numbers(336.0, 46.0),
    of_numbers(374.0, 36.0),
    of_numbers(432.0, 56.0),
    of_numbers(482.0, 48.0),
    of_numbers(WIDTH - MARGIN, 55.0),
];
/// Rate, net, tax, gross.
const TAXES: [Column; 4] = [of_numbers(374.0, 90.0), LINES[5], LINES[6], LINES[7]];

/// Text at its place on a page.
#[derive(Clone, PartialEq, Debug)]
struct Placed {
    page: usize,
    x: f32,
    y: f32,
    size: f32,
    text: String,
}

/// What belongs together for who has it read to him.
enum Block {
    /// A heading or a paragraph: its lines.
    Text(TagKind, Vec<Placed>),
    /// A table: its rows, each with its cells; the first row is its head.
    Table(Vec<Vec<Vec<Placed>>>),
}

/// All that stands on the sheets.
struct Layout<'a> {
    typeface: &'a Typeface,
    pages: usize,
    /// How far down it is on the last one.
    y: f32,
    blocks: Vec<Block>,
    /// Where a line is drawn: on which page, and how far down.
    rules: Vec<(usize, f32)>,
}

/// The sheets as a PDF.
pub(crate) fn print(sheet: &InvoiceSheet, typeface: &Typeface) -> Result<Vec<u8>, SheetError> {
    print_by(sheet, typeface, Configuration::default())
}

fn print_by(sheet: &InvoiceSheet, typeface: &Typeface, rules: Configuration) -> Result<Vec<u8>, SheetError> {
    let layout = Layout::of(sheet, typeface)?;
    let mut document = Document::new_with(SerializeSettings { configuration: rules, ..SerializeSettings::default() });
    let title = typeface.writable(&title(sheet));
    document.set_metadata(Metadata::new().title(title.clone()).language(sheet.language.as_str().to_owned()));
    let mut tagged: Vec<(usize, Node)> = Vec::new();
    let texts: Vec<&Placed> = layout.blocks.iter().flat_map(Block::texts).collect();
    for page_number in 0..layout.pages {
        let mut page = document.start_page_with(PageSettings::from_wh(WIDTH, HEIGHT).ok_or(SheetError::Size)?);
        let mut surface = page.surface();
        for (_, y) in layout.rules.iter().filter(|(on, _)| *on == page_number) {
            rule(&mut surface, *y);
        }
        for (at, text) in texts.iter().enumerate().filter(|(_, text)| text.page == page_number) {
            tagged.push((at, Node::Leaf(write(&mut surface, typeface, text))));
        }
        surface.finish();
        page.finish();
    }
    // Texts are in the order in which they are read, whatever page they are on.
    tagged.sort_by_key(|(at, _)| *at);
    let mut leaves = tagged.into_iter().map(|(_, leaf)| leaf);
    let mut tree = TagTree::new();
    for block in &layout.blocks {
        tree.push(block.group(&mut leaves));
    }
    document.set_tag_tree(tree);
    let mut outline = Outline::new();
    outline.push_child(OutlineNode::new(title, XyzDestination::new(0, Point::from_xy(0.0, 0.0))));
    document.set_outline(outline);
    document.finish().map_err(SheetError::Document)
}

fn write(surface: &mut Surface<'_>, typeface: &Typeface, text: &Placed) -> krilla::tagging::Identifier {
    let tagged = surface.start_tagged(ContentTag::Span(SpanTag::empty()));
    surface.set_fill(Some(Fill { paint: luma::Color::black().into(), ..Fill::default() }));
    let at = Point::from_xy(text.x, text.y);
    surface.draw_text(at, typeface.font.clone(), text.size, &text.text, false, TextDirection::Auto);
    surface.end_tagged();
    tagged
}

/// A thin line, which means nothing to who has the sheet read to him.
fn rule(surface: &mut Surface<'_>, y: f32) {
    let mut path = PathBuilder::new();
    Rect::from_xywh(MARGIN, y, WIDTH - 2.0 * MARGIN, 0.5).into_iter().for_each(|rect| path.push_rect(rect));
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Other)));
    surface.set_fill(Some(Fill { paint: luma::Color::black().into(), ..Fill::default() }));
    path.finish().iter().for_each(|path| surface.draw_path(path));
    surface.end_tagged();
}

impl Block {
    fn texts(&self) -> Box<dyn Iterator<Item = &Placed> + '_> {
        match self {
            Self::Text(_, lines) => Box::new(lines.iter()),
            Self::Table(rows) => Box::new(rows.iter().flatten().flatten()),
        }
    }

    /// The tags of its texts, whose leaves are the next.
    fn group(&self, leaves: &mut impl Iterator<Item = Node>) -> TagGroup {
        match self {
            Self::Text(tag, lines) => TagGroup::with_children(tag.clone(), leaves.take(lines.len()).collect()),
            Self::Table(rows) => {
                let mut table = TagGroup::new(Tag::Table);
                for (at, row) in rows.iter().enumerate() {
                    let mut group = TagGroup::new(Tag::TR);
                    for cell in row {
                        let tag: TagKind =
                            if at == 0 { Tag::TH(TableHeaderScope::Column).into() } else { Tag::TD.into() };
                        let cell = TagGroup::with_children(tag, leaves.take(cell.len()).collect());
                        group.push(Node::Group(cell));
                    }
                    table.push(Node::Group(group));
                }
                table
            }
        }
    }
}

impl<'a> Layout<'a> {
    fn of(sheet: &InvoiceSheet, typeface: &'a Typeface) -> Result<Self, SheetError> {
        let mut layout = Self { typeface, pages: 1, y: MARGIN, blocks: Vec::new(), rules: Vec::new() };
        let words = words(sheet.language);
        layout.head(sheet, words);
        layout.parties(sheet, words);
        layout.lines(sheet, words);
        let taxes = taxes(&sheet.invoice.lines).map_err(|_| SheetError::Sums)?;
        layout.sums(sheet, words, &taxes);
        Ok(layout)
    }

    fn head(&mut self, sheet: &InvoiceSheet, words: &InvoiceWords) {
        let title = title(sheet);
        let level = Tag::Hn(NonZeroU16::MIN, Some(self.typeface.writable(&title)));
        self.text(level.into(), &title, WHOLE, HEADING, 2);
        self.y += BODY * 0.6;
        let invoice = &sheet.invoice;
        let issued_on = invoice.issued_at.with_timezone(&sheet.seller.timezone).date_naive();
        let event = format!("{} ({})", invoice.billed.name, invoice.billed.starts_on);
        let corrects = sheet.corrects.as_ref().map(ToString::to_string);
        let facts = [
            (words.issued_on, Some(issued_on.to_string())),
            (words.corrects, corrects),
            (words.reference, Some(invoice.reference.to_string())),
            (words.event, Some(event)),
        ];
        for (name, value) in facts {
            if let Some(value) = value {
                self.text(Tag::P.into(), &format!("{name}: {value}"), WHOLE, BODY, 3);
            }
        }
        self.y += BODY * 1.5;
    }

    /// Who sells on the left, who buys on the right of it.
    fn parties(&mut self, sheet: &InvoiceSheet, words: &InvoiceWords) {
        let terms = &sheet.seller;
        let top = self.y;
        self.text(Tag::P.into(), words.seller, LEFT, LABEL, 1);
        self.text(Tag::P.into(), terms.name.as_str(), LEFT, BODY, UNCUT);
        for line in terms.address.as_str().lines() {
            self.text(Tag::P.into(), line, LEFT, BODY, UNCUT);
        }
        self.text(Tag::P.into(), terms.country.as_str(), LEFT, BODY, 1);
        if let Some(id) = &terms.tax_id {
            self.text(Tag::P.into(), words.tax_id, LEFT, LABEL, 1);
            self.text(Tag::P.into(), id.as_str(), LEFT, BODY, UNCUT);
        }
        let bottom = std::mem::replace(&mut self.y, top);
        let recipient = &sheet.invoice.recipient;
        self.text(Tag::P.into(), words.buyer, RIGHT, LABEL, 1);
        if let Some(name) = &recipient.name {
            self.text(Tag::P.into(), name.as_str(), RIGHT, BODY, UNCUT);
        }
        if let Some(email) = &recipient.email {
            self.text(Tag::P.into(), email.as_str(), RIGHT, BODY, UNCUT);
        }
        if recipient.name.is_none() && recipient.email.is_none() {
            self.text(Tag::P.into(), words.unknown_buyer, RIGHT, BODY, 2);
        }
        self.y = self.y.max(bottom) + BODY * 2.0;
    }

    fn lines(&mut self, sheet: &InvoiceSheet, words: &InvoiceWords) {
        let amount = |minor| amount(sheet, minor);
        let row = |line: &InvoiceLine| {
            [
                line.name.as_str().to_owned(),
                line.quantity.to_string(),
                amount(line.unit_price),
                if line.discount == 0 { words.none.to_owned() } else { amount(line.discount) },
                rate(line.tax_rate, words),
                amount(line.sums.net),
                amount(line.sums.tax),
                amount(line.sums.gross),
            ]
        };
        let head = words.columns.map(str::to_owned);
        let mut rows = vec![self.row(&LINES, &head, LABEL)];
        self.rule();
        for line in &sheet.invoice.lines {
            rows.push(self.row(&LINES, &row(line), BODY));
        }
        self.rule();
        self.blocks.push(Block::Table(rows));
    }

    /// Sums by rates, and the whole.
    fn sums(&mut self, sheet: &InvoiceSheet, words: &InvoiceWords, taxes: &InvoiceTaxes) {
        self.y += BODY;
        let row = |name: String, sums: &Sums| {
            [name, amount(sheet, sums.net), amount(sheet, sums.tax), amount(sheet, sums.gross)]
        };
        let [.., net, tax, gross] = words.columns;
        let head = [words.by_rate, net, tax, gross].map(str::to_owned);
        let mut rows = vec![self.row(&TAXES, &head, LABEL)];
        for (of, sums) in taxes {
            rows.push(self.row(&TAXES, &row(rate(*of, words), sums), BODY));
        }
        rows.push(self.row(&TAXES, &row(words.together.to_owned(), &sheet.invoice.sums), BODY));
        self.blocks.push(Block::Table(rows));
        self.y += BODY;
        let whole = Money { minor: sheet.invoice.sums.gross, currency: sheet.invoice.currency };
        let (name, size) = (if sheet.corrects.is_some() { words.goes_back } else { words.total }, BODY * 1.3);
        self.text(Tag::P.into(), &format!("{name}: {whole}"), WHOLE, size, 2);
    }

    /// A block of text, from here downwards.
    fn text(&mut self, tag: TagKind, text: &str, column: Column, size: f32, most: usize) {
        let lines = self.typeface.lines(text, size, column.width, most);
        self.make_room(lines.len(), size);
        let placed = self.placed(lines, column, size);
        if !placed.is_empty() {
            #[expect(clippy::cast_precision_loss, reason = "a block has a few lines")]
            let height = placed.len() as f32 * size * LEADING;
            self.y += height;
            self.blocks.push(Block::Text(tag, placed));
        }
    }

    /// A row of a table, from here downwards; it stays on one page.
    fn row<const N: usize>(&mut self, columns: &[Column; N], texts: &[String; N], size: f32) -> Vec<Vec<Placed>> {
        let cells: Vec<Vec<String>> =
            columns.iter().zip(texts).map(|(column, text)| self.cell(*column, text, size)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or_default();
        self.make_room(height, size);
        let cells = columns.iter().zip(cells).map(|(column, lines)| self.placed(lines, *column, size)).collect();
        #[expect(clippy::cast_precision_loss, reason = "a row has a few lines")]
        let height = height as f32 * size * LEADING;
        self.y += height + size * 0.3;
        cells
    }

    /// The text in lines: of words three at most, of numbers so many that no digit is left out.
    fn cell(&self, column: Column, text: &str, size: f32) -> Vec<String> {
        let most = if column.is_number { usize::from(u8::MAX) } else { 3 };
        self.typeface.lines(text, size, column.width, most)
    }

    fn placed(&self, lines: Vec<String>, column: Column, size: f32) -> Vec<Placed> {
        let mut y = self.y;
        let mut placed = Vec::with_capacity(lines.len());
        for text in lines {
            y += size * LEADING;
            let x = if column.is_number { column.at - self.typeface.width(&text, size) } else { column.at };
            placed.push(Placed { page: self.pages - 1, x, y, size, text });
        }
        placed
    }

    /// Goes on at the next page where so many lines of text have no room on this one.
    fn make_room(&mut self, lines: usize, size: f32) {
        #[expect(clippy::cast_precision_loss, reason = "a block has a few lines")]
        let height = lines as f32 * size * LEADING;
        if self.y + height > HEIGHT - MARGIN {
            self.pages += 1;
            self.y = MARGIN;
        }
    }

    fn rule(&mut self) {
        self.y += 2.0;
        self.rules.push((self.pages - 1, self.y));
        self.y += 2.0;
    }
}

fn title(sheet: &InvoiceSheet) -> String {
    let words = words(sheet.language);
    let kind = if sheet.corrects.is_some() { words.credit_note } else { words.invoice };
    format!("{kind} {}", sheet.invoice.number)
}

/// Without its currency, which stands once beside the whole.
fn amount(sheet: &InvoiceSheet, minor: i64) -> String {
    let shown = Money { minor, currency: sheet.invoice.currency }.to_string();
    shown.split(' ').next().unwrap_or_default().to_owned()
}

/// `23%`, `8.1%`, or the word for none.
fn rate(rate: Option<Rate>, words: &InvoiceWords) -> String {
    let Some(rate) = rate else { return words.none.to_owned() };
    let (whole, rest) = (rate.millionths() / 10_000, rate.millionths() % 10_000);
    let digits = format!("{rest:04}");
    match digits.trim_end_matches('0') {
        "" => format!("{whole}%"),
        digits => format!("{whole}.{digits}%"),
    }
}

#[cfg(test)]
mod tests {
    use domain::booking::Reference;
    use domain::invoicing::{
        BilledEvent, Invoice, InvoiceKind, InvoiceNumber, NewSeller, Recipient, SellerTerms, Series, sums,
    };
    use domain::{BookingId, EmailAddress, EventId, InvoiceId, Language, OrganizerId, SellerId, Text};
    use krilla::configure::{Accessibility, ConfigurationBuilder};
    use uuid::Uuid;

    use super::*;

    fn line(name: &str, quantity: u32, unit_price: i64, rate: Option<u32>) -> InvoiceLine {
        let gross = unit_price * i64::from(quantity);
        let tax_rate = rate.and_then(Rate::of_millionths);
        let net = tax_rate.map_or(gross, |rate| rate.taken_out(gross).unwrap());
        let sums = Sums { net, tax: gross - net, gross };
        InvoiceLine { name: Text::trusted(name.to_owned()), quantity, unit_price, discount: 0, tax_rate, sums }
    }

    fn seller() -> SellerTerms {
        let new = NewSeller {
            name: "Klub Stodoła sp. z o.o.".into(),
            address_lines: vec!["ul. Batorego 10".into(), "02-670 Warszawa".into()],
            country: "PL".into(),
            tax_id: Some("PL5212345678".into()),
            series: "FV".into(),
            credit_series: None,
            timezone: Some("Europe/Warsaw".into()),
        };
        SellerTerms::parse(&new).unwrap()
    }

    fn sheet(language: Language) -> InvoiceSheet {
        let lines = vec![
            line("Miejsce stojące", 2, 6_150, Some(230_000)),
            line("Opłata serwisowa", 1, 324, Some(80_000)),
            line("Kaucja za kubek", 1, 200, None),
        ];
        let id = Uuid::from_u128(1);
        let invoice = Invoice {
            id: InvoiceId::new(id),
            kind: InvoiceKind::Invoice,
            number: InvoiceNumber { series: Series::trusted("FV".into()), year: 2027, number: 42 },
            organizer: OrganizerId::new(id),
            seller: SellerId::new(id),
            booking: BookingId::new(id),
            event: EventId::new(id),
            reference: Reference::trusted("K7P3X9".into()),
            billed: BilledEvent {
                name: Text::trusted("Zażółć gęślą jaźń".into()),
                starts_on: "2027-03-01".parse().unwrap(),
            },
            recipient: Recipient {
                name: Some(Text::trusted("Łucja Świątek".into())),
                email: Some(EmailAddress::trusted("lucja@example.com".into())),
            },
            currency: "PLN".parse().unwrap(),
            sums: sums(&lines).unwrap(),
            lines,
            issued_at: "2027-01-31T23:30:00Z".parse().unwrap(),
        };
        InvoiceSheet { language, invoice, seller: seller(), corrects: None }
    }

    fn credit_note(language: Language) -> InvoiceSheet {
        let invoice = sheet(language);
        let corrects = Some(invoice.invoice.number.clone());
        let mut note = invoice.invoice;
        note.kind = InvoiceKind::CreditNote(note.id);
        note.number.series = Series::trusted("FV-CN".into());
        InvoiceSheet { invoice: note, corrects, ..invoice }
    }

    fn typeface() -> Typeface {
        Typeface::load().unwrap()
    }

    /// All that can be read, in the order in which it is.
    fn read(sheet: &InvoiceSheet) -> Vec<String> {
        let typeface = typeface();
        let layout = Layout::of(sheet, &typeface).unwrap();
        layout.blocks.iter().flat_map(Block::texts).map(|placed| placed.text.clone()).collect()
    }

    #[test]
    fn it_says_who_sells_what_to_whom_for_how_much() {
        let text = read(&sheet(Language::English)).join("\n");
        for part in [
            "Invoice FV-2027-42",
            "Date of issue: 2027-02-01", // on the clocks of the seller
            "Booking: K7P3X9",
            "Event: Zażółć gęślą jaźń (2027-03-01)",
            "Klub Stodoła sp. z o.o.\nul. Batorego 10\n02-670 Warszawa\nPL\nTax ID\nPL5212345678",
            "Łucja Świątek\nlucja@example.com",
            "Miejsce stojące\n2\n61.50\n–\n23%\n100.00\n23.00\n123.00",
            "Opłata serwisowa\n1\n3.24\n–\n8%\n3.00\n0.24\n3.24",
            "8%\n3.00\n0.24\n3.24\n23%\n100.00\n23.00\n123.00\nTogether\n105.00\n23.24\n128.24",
            "Total: 128.24 PLN",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let polish = read(&credit_note(Language::Polish)).join("\n");
        for part in ["Faktura korygująca FV-CN-2027-42", "Do faktury: FV-2027-42", "Do zwrotu: 128.24 PLN"] {
            assert!(polish.contains(part), "{part}: {polish}");
        }
    }

    #[test]
    fn rates_and_amounts_have_the_digits_that_they_have() {
        let words = words(Language::English);
        let shown = |millionths| rate(Rate::of_millionths(millionths), words);
        assert_eq!(
            [shown(230_000), shown(81_000), shown(0), shown(1_000_000), shown(1)],
            ["23%", "8.1%", "0%", "100%", "0.0001%"]
        );
        for (code, expected) in [("JPY", "128240"), ("BHD", "128.240"), ("CLF", "12.8240")] {
            let mut sheet = sheet(Language::English);
            sheet.invoice.currency = code.parse().unwrap();
            assert_eq!(amount(&sheet, 128_240), expected);
        }
    }

    /// What a program can check of PDF/UA-1 (ISO 14289).
    #[test]
    fn a_document_is_accessible() {
        let rules = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish().unwrap();
        for language in Language::ALL {
            for sheet in [sheet(language), credit_note(language)] {
                let document = print_by(&sheet, &typeface(), rules).unwrap();
                assert!(document.starts_with(b"%PDF-"), "{language:?}");
            }
        }
    }

    #[test]
    fn the_same_document_has_the_same_bytes() {
        let sheet = sheet(Language::Polish);
        let document = print(&sheet, &typeface()).unwrap();
        assert_eq!(document, print(&sheet, &typeface()).unwrap());
        assert!(document.len() < 60_000, "the font is cut to what is used: {}", document.len());
        assert_ne!(document, print(&credit_note(Language::Polish), &typeface()).unwrap());
    }

    #[test]
    fn many_lines_have_many_pages_and_none_is_lost() {
        let mut long = sheet(Language::English);
        long.invoice.lines = (0..120).map(|at| line(&format!("Row {at}"), 1, 123, Some(230_000))).collect();
        long.invoice.sums = sums(&long.invoice.lines).unwrap();
        let typeface = typeface();
        let layout = Layout::of(&long, &typeface).unwrap();
        assert!(layout.pages > 2, "{}", layout.pages);
        let placed: Vec<&Placed> = layout.blocks.iter().flat_map(Block::texts).collect();
        for at in 0..120 {
            assert!(placed.iter().any(|it| it.text == format!("Row {at}")), "{at}");
        }
        for it in placed {
            assert!(it.x >= MARGIN - 0.1 && it.y <= HEIGHT - MARGIN + BODY, "{it:?}");
            assert!(it.x + typeface.width(&it.text, it.size) <= WIDTH - MARGIN + 0.1, "{it:?}");
        }
        let rules = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish().unwrap();
        let document = print_by(&long, &typeface, rules).unwrap();
        assert!(String::from_utf8_lossy(&document).contains(&format!("/Count {}", layout.pages)));
    }

    /// The largest amounts there are wrap within their columns; no digit is left out.
    #[test]
    fn large_amounts_lose_no_digit() {
        let mut large = sheet(Language::English);
        large.invoice.lines = vec![line("Gold", 1, 1_234_567_890_123_456_789, Some(230_000))];
        large.invoice.sums = sums(&large.invoice.lines).unwrap();
        let text = read(&large).concat();
        assert!(text.contains("12345678901234567.89"), "{text}");
        assert!(!text.contains('…'), "{text}");
    }

    #[test]
    fn hostile_names_are_harmless() {
        let rules = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish().unwrap();
        for name in [
            "x".repeat(10_000),
            "\u{202E}\u{1F600}".repeat(5_000),
            "שלום عالم abc \u{0300}\u{0301}\u{0302}".to_owned(),
            "=HYPERLINK(\"http://evil\") <script>) Tj ET (endobj".to_owned(),
            "\n\r\t".to_owned(),
        ] {
            let mut sheet = sheet(Language::English);
            let hostile = Text::trusted(name.clone());
            sheet.seller.name = hostile.clone();
            sheet.seller.address = hostile.clone();
            sheet.seller.tax_id = Some(hostile.clone());
            sheet.invoice.billed.name = hostile.clone();
            sheet.invoice.recipient.name = Some(hostile.clone());
            sheet.invoice.lines[0].name = hostile;
            let document = print(&sheet, &typeface()).unwrap();
            let text = String::from_utf8_lossy(&document);
            assert!(!text.contains("/JavaScript") && !text.contains("/URI"), "{name:.40}");
            assert!(print_by(&sheet, &typeface(), rules).is_ok(), "{name:.40}");
            assert!(read(&sheet).join("\n").contains("Total: 128.24 PLN"), "{name:.40}");
        }
    }
}
