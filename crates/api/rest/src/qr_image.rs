//! QR codes as PNG: one bit a pixel, black on white.

use png::{BitDepth, ColorType, Encoder, EncodingError};
use qrcode::{Color, QrCode};

/// Pixels on each side of a module.
const SCALE: usize = 8;
/// Blank modules around a code (ISO/IEC 18004).
const QUIET: usize = 4;

/// The code as a picture; the same one has the same bytes.
pub(crate) fn png(code: &QrCode) -> Result<Vec<u8>, EncodingError> {
    let modules = code.width();
    // A byte of pixels is a module, whatever its column.
    let side = modules + 2 * QUIET;
    let blank = vec![u8::MAX; side];
    let row = |y: usize| {
        let colors = (0..modules).map(|x| if code[(x, y)] == Color::Dark { 0 } else { u8::MAX });
        let margin = || std::iter::repeat_n(u8::MAX, QUIET);
        margin().chain(colors).chain(margin()).collect::<Vec<u8>>()
    };
    let margin = || std::iter::repeat_n(blank.clone(), QUIET);
    let rows = margin().chain((0..modules).map(row)).chain(margin());
    let pixels: Vec<u8> = rows.flat_map(|row| row.repeat(SCALE)).collect();
    let mut written = Vec::new();
    let pixels_wide = u32::try_from(side * SCALE).unwrap_or(u32::MAX);
    let mut encoder = Encoder::new(&mut written, pixels_wide, pixels_wide);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_module_is_a_square_with_blank_ones_around() {
        let code = QrCode::new("GT1:A").unwrap();
        let drawn = png(&code).unwrap();
        assert_eq!(drawn, png(&code).unwrap());
        let mut reader = png::Decoder::new(std::io::Cursor::new(drawn)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width as usize, info.height as usize), ((21 + 8) * 8, (21 + 8) * 8));
        let is_dark = |x: usize, y: usize| pixels[y * info.line_size + x / 8] & (0x80 >> (x % 8)) == 0;
        for y in 0..29 * 8_usize {
            for x in 0..29 * 8_usize {
                let module = (x / 8).checked_sub(4).zip((y / 8).checked_sub(4)).filter(|(x, y)| *x < 21 && *y < 21);
                let dark = module.is_some_and(|at| code[at] == Color::Dark);
                assert_eq!(is_dark(x, y), dark, "{x} {y}");
            }
        }
    }
}
