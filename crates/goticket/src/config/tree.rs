//! The file and the environment, put together before any type is known.
//!
//! Types are taken strictly: a number in the file is no text, and `1.5` no whole number. An environment variable is a
//! text always, so there the type that is wanted decides how it is read; a list is separated by commas. A variable that
//! ends in `_FILE` names a file that holds the value, as secrets are given to containers.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::value::{Error as ValueError, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::ConfigError;

const PREFIX: &str = "GOTICKET_";
const SEPARATOR: &str = "__";
/// Ends the name of a variable that names a file with the value.
const IN_FILE: &str = "_file";
/// More than any value has.
const IN_FILE_BYTES_MAX: u64 = 65_536;
/// Variables with the prefix that are no settings: the one that names the file, and those of the project's own tests.
const NO_SETTING: [&str; 2] = ["GOTICKET_CONFIG", "GOTICKET_TEST_"];

/// Sections of the contract whose features are not built yet.
const NOT_BUILT: [(&str, &str); 3] = [("redis", "Redis is"), ("broker", "the event broker is"), ("grpc", "gRPC is")];

/// All that was set, and where.
pub(super) struct Tree {
    root: BTreeMap<String, Node>,
    file: Option<PathBuf>,
    /// Keys that the environment has set, with the names of their variables.
    variables: BTreeMap<String, String>,
}

/// A value, or a table of them.
#[derive(Clone)]
enum Node {
    Table(BTreeMap<String, Node>),
    File(toml::Value),
    Environment(String),
}

impl Tree {
    pub(super) fn read(file: Option<&Path>, environment: BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let root = file.map(read_file).transpose()?.unwrap_or_default();
        let mut tree = Self { root, file: file.map(Path::to_owned), variables: BTreeMap::new() };
        for (variable, value) in environment {
            let is_setting = !NO_SETTING.iter().any(|other| variable.starts_with(other));
            if let Some(name) = variable.strip_prefix(PREFIX).filter(|_| is_setting) {
                let key = name.to_lowercase().replace(SEPARATOR, ".");
                match key.strip_suffix(IN_FILE) {
                    Some(key) => tree.set_of_file(key, &variable, &value)?,
                    None => tree.set(&key, &variable, value)?,
                }
            }
        }
        tree.refuse_unbuilt()?;
        Ok(tree)
    }

    /// The tree in the types of the settings.
    pub(super) fn settings<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        serde_path_to_error::deserialize(Node::Table(self.root.clone()))
            .map_err(|error| self.blame(&error.path().to_string(), plainly(&error.inner().to_string())))
    }

    /// The complaint about a key, with the place where it was set.
    pub(super) fn blame(&self, key: &str, message: String) -> ConfigError {
        let below = |known: &str| known.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let above = |known: &str| key.strip_prefix(known).is_some_and(|rest| rest.starts_with('['));
        let variable = self.variables.iter().find(|(known, _)| below(known) || above(known)).map(|(_, name)| name);
        let origin = match (variable, &self.file) {
            (Some(variable), _) => variable.clone(),
            (None, Some(file)) => file.display().to_string(),
            (None, None) => "by default".to_owned(),
        };
        ConfigError::Key { key: key.to_owned(), origin, message: message.replace('\n', " ") }
    }

    /// Sets a key to what a file holds, without the line break at its end.
    fn set_of_file(&mut self, key: &str, variable: &str, path: &str) -> Result<(), ConfigError> {
        if self.variables.contains_key(key) {
            return Err(self.blame(key, format!("it is set twice: by {variable} too")));
        }
        self.variables.insert(key.to_owned(), variable.to_owned());
        let read = File::open(path).and_then(|file| {
            let mut text = String::new();
            file.take(IN_FILE_BYTES_MAX).read_to_string(&mut text).map(|_| text)
        });
        match read {
            Ok(text) => self.set(key, variable, text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => Err(self.blame(key, format!("the file {path} cannot be read: {error}"))),
        }
    }

    fn set(&mut self, key: &str, variable: &str, value: String) -> Result<(), ConfigError> {
        self.variables.insert(key.to_owned(), variable.to_owned());
        let mut parts: Vec<&str> = key.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        let mut table = &mut self.root;
        for part in parts {
            match table.entry(part.to_owned()).or_insert_with(|| Node::Table(BTreeMap::new())) {
                Node::Table(inner) => table = inner,
                Node::File(_) | Node::Environment(_) => {
                    return Err(self.blame(key, format!("`{part}` is set to a value as well, and must be a table")));
                }
            }
        }
        table.insert(last.to_owned(), Node::Environment(value));
        Ok(())
    }

    fn refuse_unbuilt(&self) -> Result<(), ConfigError> {
        for (section, what) in NOT_BUILT {
            if let Some(node) = self.root.get(section) {
                let key = first_key(section, node);
                return Err(self.blame(&key, format!("{what} not built yet: remove this key")));
            }
        }
        Ok(())
    }
}

/// A complaint of `serde` in the words of people who write settings.
fn plainly(complaint: &str) -> String {
    let mut plain = complaint.replace("unknown field", "unknown key");
    for number in ["u16", "u32", "u64", "i64"] {
        plain = plain.replace(&format!("expected {number}"), "expected a whole number");
    }
    plain
}

/// The first key at or below a node.
fn first_key(key: &str, node: &Node) -> String {
    match node {
        Node::Table(table) => {
            table.iter().next().map_or_else(|| key.to_owned(), |(name, node)| first_key(&format!("{key}.{name}"), node))
        }
        Node::File(_) | Node::Environment(_) => key.to_owned(),
    }
}

fn read_file(path: &Path) -> Result<BTreeMap<String, Node>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1),
        message: error.message().replace('\n', " "),
    })?;
    Ok(table.into_iter().map(|(name, value)| (name, value.into())).collect())
}

impl From<toml::Value> for Node {
    fn from(value: toml::Value) -> Self {
        match value {
            toml::Value::Table(table) => {
                Self::Table(table.into_iter().map(|(name, value)| (name, value.into())).collect())
            }
            other => Self::File(other),
        }
    }
}

impl IntoDeserializer<'_, ValueError> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The text of a variable as something else.
fn parse<T: FromStr>(text: &str, wanted: &dyn fmt::Display) -> Result<T, ValueError> {
    text.trim().parse().map_err(|_| ValueError::custom(format!("must be {wanted}, and is {text:?}")))
}

macro_rules! parsed {
    ($($method:ident $visit:ident $type:ty: $wanted:literal,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            match &self {
                Self::Environment(text) => visitor.$visit(parse::<$type>(text, &$wanted)?),
                Self::Table(_) | Self::File(_) => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Node {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self {
            Self::Table(table) => visitor.visit_map(MapDeserializer::new(table.into_iter())),
            Self::Environment(text) => visitor.visit_string(text),
            Self::File(toml::Value::Array(items)) => {
                visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Self::from)))
            }
            Self::File(value) => value.deserialize_any(visitor).map_err(|error| ValueError::custom(error.message())),
        }
    }

    parsed! {
        deserialize_bool visit_bool bool: "true or false",
        deserialize_i64 visit_i64 i64: "a whole number",
        deserialize_u16 visit_u16 u16: "a whole number",
        deserialize_u32 visit_u32 u32: "a whole number, not negative",
        deserialize_u64 visit_u64 u64: "a whole number, not negative",
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self {
            Self::Environment(text) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                visitor.visit_seq(SeqDeserializer::new(items.map(|item| Self::Environment(item.to_owned()))))
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self {
            Self::Environment(text) | Self::File(toml::Value::String(text)) => {
                IntoDeserializer::<ValueError>::into_deserializer(text).deserialize_enum(name, variants, visitor)
            }
            _ => Err(ValueError::invalid_type(Unexpected::Other("something else"), &"a text")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct
        identifier ignored_any
    }
}
