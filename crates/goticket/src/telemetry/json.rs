//! Log lines for machines: one flat JSON object each.
//!
//! Written by hand into one buffer, because a server writes such a line for every request it answers: the formatter of
//! `tracing-subscriber` builds maps on the way and takes several times as long.

use std::fmt::{self, Write};

use chrono::{Datelike, Timelike};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// `{"timestamp": …, "level": …, "target": …, "message": …, …}` with the fields of the event beside these.
pub(super) struct Json;

/// Fields of spans, which lines do not bear.
pub(super) struct NoFields;

impl<'writer> FormatFields<'writer> for NoFields {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(&self, _: Writer<'writer>, _: R) -> fmt::Result {
        Ok(())
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        write_now(&mut writer)?;
        writer.write_str("\",\"level\":\"")?;
        writer.write_str(metadata.level().as_str())?;
        writer.write_str("\",\"target\":\"")?;
        writer.write_str(metadata.target())?;
        writer.write_char('"')?;
        let mut members = Members { writer: &mut writer, result: Ok(()) };
        event.record(&mut members);
        members.result?;
        writer.write_str("}\n")
    }
}

/// The time in UTC with microseconds, each digit by hand: what `chrono` has for it takes ten times as long.
#[expect(
    clippy::disallowed_methods,
    reason = "a log line bears the time at which it was written, and nothing depends on it"
)]
fn write_now(writer: &mut Writer<'_>) -> fmt::Result {
    let now = chrono::Utc::now();
    let (date, time) = (now.date_naive(), now.time());
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    put(&mut text[0..4], date.year().unsigned_abs());
    put(&mut text[5..7], date.month());
    put(&mut text[8..10], date.day());
    put(&mut text[11..13], time.hour());
    put(&mut text[14..16], time.minute());
    put(&mut text[17..19], time.second());
    put(&mut text[20..26], time.nanosecond() / 1_000 % 1_000_000);
    writer.write_str(std::str::from_utf8(&text).unwrap_or_default())
}

/// Writes a number into all of the places.
fn put(places: &mut [u8], mut number: u32) {
    for place in places.iter_mut().rev() {
        // A digit is smaller than 10.
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

struct Members<'a, 'writer> {
    writer: &'a mut Writer<'writer>,
    result: fmt::Result,
}

impl Members<'_, '_> {
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self.name(field.name()).and_then(|()| value(self.writer));
        }
    }

    fn name(&mut self, name: &str) -> fmt::Result {
        self.writer.write_str(",\"")?;
        self.writer.write_str(name)?;
        self.writer.write_str("\":")
    }
}

impl Visit for Members<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, |writer| write_number(writer, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |writer| writer.write_str(if value { "true" } else { "false" }));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |writer| {
            writer.write_char('"')?;
            Escaping(writer).write_str(value)?;
            writer.write_char('"')
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, |writer| {
            writer.write_char('"')?;
            write!(Escaping(writer), "{value:?}")?;
            writer.write_char('"')
        });
    }
}

/// With three digits behind the point, which is what measurements are worth; very small and very large ones whole.
fn write_number(writer: &mut Writer<'_>, value: f64) -> fmt::Result {
    // JSON has no infinity.
    if !value.is_finite() {
        return write!(writer, "\"{value}\"");
    }
    if !(0.001..1e9).contains(&value) {
        return write!(writer, "{value}");
    }
    // It is positive, and smaller than a million millions.
    let thousandths = (value * 1_000.0).round() as u64;
    let mut digits = *b".000";
    put(&mut digits[1..], (thousandths % 1_000) as u32);
    write!(writer, "{}", thousandths / 1_000)?;
    writer.write_str(std::str::from_utf8(&digits).unwrap_or_default())
}

/// Escapes what JSON does not take as it is.
struct Escaping<'a, 'writer>(&'a mut Writer<'writer>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|it| it < b' ' || it == b'"' || it == b'\\') {
            let (plain, special) = rest.split_at(at);
            self.0.write_str(plain)?;
            // It is one byte: all that are looked for are ASCII.
            match special.as_bytes()[0] {
                b'"' => self.0.write_str("\\\"")?,
                b'\\' => self.0.write_str("\\\\")?,
                b'\n' => self.0.write_str("\\n")?,
                control => write!(self.0, "\\u{control:04x}")?,
            }
            rest = &special[1..];
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(tell: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .event_format(Json)
            .fmt_fields(NoFields);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), tell);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_one_object_with_all_fields() {
        let lines = logged(|| {
            tracing::info!(target: "http", method = %"GET", status = 200_u16, latency_ms = 1.5, ok = true, left = -1, small = 1e-6, large = 1e15, long = 12.345_678, "Answered {}", 1);
        });
        let line = &lines[0];
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["target"], "http");
        assert_eq!(line["message"], "Answered 1");
        assert_eq!(line["method"], "GET");
        assert_eq!(line["status"], 200);
        assert_eq!(line["latency_ms"], 1.5);
        assert_eq!(line["ok"], true);
        assert_eq!(line["left"], -1);
        let numbers = ["small", "large", "long"].map(|name| line[name].as_f64());
        assert_eq!(numbers, [Some(1e-6), Some(1e15), Some(12.346)]);
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(time).is_ok(), "{time}");
    }

    #[test]
    fn whatever_a_text_holds_the_line_stays_one_object() {
        let text = "quotes \" back \\ line \n tab \t nul \0 ą 🎫";
        let lines = logged(|| {
            tracing::warn!(text, debug = ?text, infinite = f64::INFINITY, "{text}");
            tracing::warn!("next");
        });
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["text"], text);
        assert_eq!(lines[0]["message"], text);
        assert_eq!(lines[0]["debug"], format!("{text:?}"));
        assert_eq!(lines[0]["infinite"], "inf");
    }
}
