//! Base45 (RFC 9285): bytes in the 45 characters that a QR code packs most densely beside digits.
//!
//! Decoding takes the one text that encoding makes of the bytes, and no other.

/// The characters in the order of their values.
const ALPHABET: &[u8; 45] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/// Two bytes become three characters, a last single byte two.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(2) * 3);
    for pair in bytes.chunks(2) {
        let (mut rest, characters) = match *pair {
            [high, low] => (usize::from(high) << 8 | usize::from(low), 3),
            [single] => (usize::from(single), 2),
            _ => (0, 0),
        };
        for _ in 0..characters {
            text.push(char::from(ALPHABET[rest % 45]));
            rest /= 45;
        }
    }
    text
}

/// The bytes of a text; none where it is not what [`encode`] makes of any.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 3 * 2 + 1);
    for some in text.as_bytes().chunks(3) {
        let mut value = 0;
        for character in some.iter().rev() {
            value = value * 45 + ALPHABET.iter().position(|known| known == character)?;
        }
        match some.len() {
            3 => bytes.extend(u16::try_from(value).ok()?.to_be_bytes()),
            2 => bytes.push(u8::try_from(value).ok()?),
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_standard_hold() {
        for (plain, text) in
            [("AB", "BB8"), ("Hello!!", "%69 VD92EX0"), ("base-45", "UJCLQE7W581"), ("ietf!", "QED8WEX0")]
        {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(plain.as_bytes()));
        }
    }

    #[test]
    fn what_encodes_nothing_is_refused() {
        // Too large for two bytes, for one; a single character; lower case; not in the alphabet.
        for text in ["GGW", ":::", "::", "A", "BB8A", "bb8", "BB_", "BBé"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode("FGW").as_deref(), Some(&[255, 255][..]));
    }

    proptest! {
        #[test]
        fn bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn a_text_that_decodes_is_the_only_one(text in "[0-9A-Z $%*+./:-]{0,30}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
