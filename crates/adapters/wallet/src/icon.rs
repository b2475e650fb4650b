//! The icon that Apple's wallet wants with each pass: a ticket, white on dark, with two notches.

use std::sync::LazyLock;

use application::identity::CryptoError;
use png::{BitDepth, ColorType, Encoder, EncodingError};

/// A file: its name, and what is in it.
type Named = (&'static str, Vec<u8>);

/// The icon in the three sizes that wallets look for, in the files that they look for. It is drawn once.
pub(crate) fn icons() -> Result<[Named; 3], CryptoError> {
    static DRAWN: LazyLock<Result<[Named; 3], EncodingError>> =
        LazyLock::new(|| Ok([("icon.png", icon(29)?), ("icon@2x.png", icon(58)?), ("icon@3x.png", icon(87)?)]));
    DRAWN.as_ref().cloned().map_err(|_| CryptoError("an icon cannot be drawn"))
}

/// The icon, so many pixels wide and high, as PNG.
fn icon(side: u32) -> Result<Vec<u8>, EncodingError> {
    let pixels: Vec<u8> = (0..side).flat_map(|y| (0..side).map(move |x| shade(x, y, side))).collect();
    let mut written = Vec::new();
    let mut encoder = Encoder::new(&mut written, side, side);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(written)
}

/// White within the ticket, dark around it and in its notches. Places are told in hundredths of the side.
fn shade(x: u32, y: u32, side: u32) -> u8 {
    const DARK: u8 = 0x22;
    let at = |place: u32| (place * 100 + 50) / side;
    let (x, y) = (at(x), at(y));
    let is_ticket = (12..88).contains(&x) && (28..72).contains(&y);
    let is_notch = [12_u32, 88].into_iter().any(|edge| edge.abs_diff(x).pow(2) + 50_u32.abs_diff(y).pow(2) < 81);
    if is_ticket && !is_notch { u8::MAX } else { DARK }
}
