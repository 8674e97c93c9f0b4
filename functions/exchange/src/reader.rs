//! From the bytes of a file to what it says, entry by entry. Pure; memory has a bound whatever the file is.
//!
//! Reading can begin behind any entry: the byte and the line where it ended are all that must be remembered.

use std::collections::VecDeque;

use kernel::Currency;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lines::{Line, Lines};
use crate::map::FieldMap;
use crate::records::{Encoding, Record, TableRows, Unreadable};
use crate::row::{Entry, Rejected, Row, opened, own};
use crate::shopify::{Group, Header};

/// The bad rows that are kept with one product before it is passed on without waiting for its next row.
const BESIDE: usize = 100;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CatalogFormat")]
pub enum Format {
    /// Shopify's product CSV.
    #[serde(rename = "shopify-csv")]
    ShopifyCsv,
    /// A JSON object a line.
    #[serde(rename = "jsonl")]
    Jsonl,
}

/// How a file is read.
#[derive(Clone, Debug)]
pub struct Manner {
    /// What it is.
    pub format: Format,
    /// The currency of prices that name none.
    pub currency: Currency,
    /// How text is written in bytes.
    pub encoding: Encoding,
    /// How rows of another form become ours.
    pub map: Option<FieldMap>,
}

/// A place behind an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The byte, in the file as it is when it is not compressed.
    pub byte: u64,
    /// The line, from 1.
    pub line: u64,
}

impl Place {
    /// The beginning.
    pub const START: Self = Self { byte: 0, line: 1 };
}

/// Reads a file.
pub struct Reader {
    manner: Manner,
    kind: Kind,
    ready: VecDeque<Entry>,
}

enum Kind {
    Lines(Lines),
    Table(Box<Table>),
}

struct Table {
    rows: TableRows,
    header: Option<Header>,
    /// Where reading goes on once the header is known.
    from: Option<Place>,
    handle: String,
    group: Group,
    beside: Vec<Rejected>,
    /// Behind the group's last row.
    end: Place,
}

impl Reader {
    /// From a place on. Of a table the header must come first, so its bytes are pushed from the beginning of the file until
    /// [`Reader::skip_to`] says where to go on.
    #[must_use]
    pub fn new(manner: Manner, from: Place) -> Self {
        let kind = match manner.format {
            Format::Jsonl => Kind::Lines(Lines::from(from.byte, from.line)),
            Format::ShopifyCsv => Kind::Table(Box::new(Table {
                rows: TableRows::from(0, 1, manner.encoding),
                header: None,
                from: (from != Place::START).then_some(from),
                handle: String::new(),
                group: Group::default(),
                beside: Vec::new(),
                end: Place::START,
            })),
        };
        Self { manner, kind, ready: VecDeque::new() }
    }

    /// The byte to begin pushing at.
    #[must_use]
    pub fn start(&self, from: Place) -> u64 {
        if matches!(self.kind, Kind::Lines(_)) { from.byte } else { 0 }
    }

    /// Once the header was read: the byte to go on pushing at, when it is another than the next.
    pub fn skip_to(&mut self) -> Option<u64> {
        let Kind::Table(table) = &mut self.kind else { return None };
        table.header.as_ref()?;
        let from = table.from.take()?;
        let columns = table.rows.columns;
        table.rows = TableRows::from(from.byte, from.line, self.manner.encoding);
        table.rows.columns = columns;
        table.end = from;
        Some(from.byte)
    }

    /// Takes the next bytes of the file; at its `end` there may be none.
    ///
    /// # Errors
    ///
    /// When the file cannot be read on at all.
    pub fn push(&mut self, bytes: &[u8], end: bool) -> Result<(), Unreadable> {
        let Self { manner, kind, ready } = self;
        match kind {
            Kind::Lines(lines) => {
                lines.push(bytes);
                while let Some(line) = lines.next(end) {
                    ready.push_back(line_entry(manner, line));
                }
                Ok(())
            }
            Kind::Table(table) => {
                table.rows.push(bytes);
                table.read(manner, ready, end)
            }
        }
    }

    /// The next entry, once it is complete.
    pub fn entry(&mut self) -> Option<Entry> {
        self.ready.pop_front()
    }
}

fn line_entry(manner: &Manner, line: Line) -> Entry {
    let number = line.number;
    let row = match line.bytes.as_deref().map(std::str::from_utf8) {
        None => Err(vec![Rejected::whole(number, "is longer than a megabyte")]),
        Some(Err(_)) => Err(vec![Rejected::whole(number, "is not UTF-8")]),
        Some(Ok(text)) if text.contains('\0') => Err(vec![Rejected::whole(number, "has a NUL byte")]),
        Some(Ok(text)) => own(number, text.trim()).and_then(|value| match &manner.map {
            Some(map) => map.row(&value).map_err(|reason| vec![Rejected::whole(number, reason)]),
            None => opened(number, value).map(Row::Product),
        }),
    };
    Entry { line: number, next_line: number + 1, end: line.end, rows: 1, row, lines: Vec::new(), beside: Vec::new() }
}

impl Table {
    fn read(&mut self, manner: &Manner, ready: &mut VecDeque<Entry>, end: bool) -> Result<(), Unreadable> {
        while let Some(record) = self.rows.next(end)? {
            if self.header.is_none() {
                self.read_header(&record)?;
                if self.from.is_some() {
                    return Ok(());
                }
                continue;
            }
            let Some(header) = &self.header else { continue };
            let after = Place { byte: record.end, line: record.next_line };
            match record.fields {
                Err(reason) => {
                    let rejected = Rejected::whole(record.line, reason);
                    self.aside(rejected, record.line, after, ready, manner);
                }
                Ok(row) if header.handle(&row).is_empty() => {
                    if row.iter().any(|field| !field.trim().is_empty()) {
                        let rejected = Rejected::of(record.line, "Handle", "is missing");
                        self.aside(rejected, record.line, after, ready, manner);
                    }
                }
                Ok(row) => {
                    if header.handle(&row) != self.handle {
                        let handle = header.handle(&row).to_owned();
                        ready.extend(self.flush(manner));
                        self.handle = handle;
                    }
                    self.group.push(record.line, row);
                    self.end = after;
                }
            }
        }
        if end {
            ready.extend(self.flush(manner));
        }
        Ok(())
    }

    fn read_header(&mut self, record: &Record) -> Result<(), Unreadable> {
        let unreadable = |reason: String| Unreadable { line: record.line, reason };
        let fields = record.fields.as_ref().map_err(|reason| unreadable(reason.clone()))?;
        self.header = Some(Header::read(fields).map_err(unreadable)?);
        self.rows.columns = Some(fields.len());
        self.end = Place { byte: record.end, line: record.next_line };
        Ok(())
    }

    /// Puts a bad row beside the product it stands in or behind, so that where that one ends it is passed too.
    fn aside(&mut self, rejected: Rejected, line: u64, after: Place, ready: &mut VecDeque<Entry>, manner: &Manner) {
        self.end = after;
        if self.group.is_empty() {
            let (row, lines, beside) = (Err(vec![rejected]), Vec::new(), Vec::new());
            ready.push_back(Entry { line, next_line: after.line, end: after.byte, rows: 1, row, lines, beside });
            return;
        }
        self.beside.push(rejected);
        if self.beside.len() >= BESIDE {
            ready.extend(self.flush(manner));
            self.handle.clear();
        }
    }

    /// The product whose rows are at hand.
    fn flush(&mut self, manner: &Manner) -> Option<Entry> {
        let group = std::mem::take(&mut self.group);
        if group.is_empty() {
            return None;
        }
        let beside = std::mem::take(&mut self.beside);
        let rows = u64::try_from(group.len() + beside.len()).unwrap_or(u64::MAX);
        let (row, lines) = match group.product(self.header.as_ref()?, manner.currency) {
            Ok((mapped, lines)) => (Ok(Row::Product(mapped)), lines),
            Err(wrong) => (Err(wrong), Vec::new()),
        };
        let Place { byte: end, line: next_line } = self.end;
        Some(Entry { line: group.line(), next_line, end, rows, row, lines, beside })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn manner(format: Format) -> Manner {
        Manner { format, currency: Currency::EUR, encoding: Encoding::Utf8, map: None }
    }

    fn all(format: Format, bytes: &[u8], pieces: usize, from: Place) -> Vec<Entry> {
        let mut reader = Reader::new(manner(format), from);
        let mut at = usize::try_from(reader.start(from)).unwrap();
        let mut found = Vec::new();
        while at < bytes.len() {
            let to = bytes.len().min(at + pieces);
            if reader.push(&bytes[at..to], false).is_err() {
                return found;
            }
            at = reader.skip_to().map_or(to, |byte| usize::try_from(byte).unwrap());
            found.extend(std::iter::from_fn(|| reader.entry()));
        }
        let read = reader.push(&[], true);
        found.extend(std::iter::from_fn(|| reader.entry()));
        drop(read);
        found
    }

    const SHIRTS: &str = "Handle,Title,Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Grams,\
        Variant Inventory Qty,Variant Price,Variant Compare At Price,Image Src,Image Position,Body (HTML)\n\
        shirt,Shirt,Us,Shirts,\"new, blue\",true,Size,S,S-S,150,3,9.90,12.00,https://x/2,2,<p onclick=x>Good<script>a</script></p>\n\
        shirt,,,,,,,M,S-M,160.0,0,9.90,9.90,https://x/1,1,\n\
        shirt,,,,,,,,,,,,,https://x/3,3,\n\
        hat,Hat,Us,,,false,Title,Default Title,,,-2,5,,,,\n\
        bag,Bag,Us,,,true,Title,Default Title,BAG,,1,cheap,,,,\n";

    #[test]
    fn several_rows_are_one_product() {
        let found = all(Format::ShopifyCsv, SHIRTS.as_bytes(), 7, Place::START);
        assert_eq!(found.iter().map(|entry| (entry.line, entry.rows)).collect::<Vec<_>>(), [(2, 3), (5, 1), (6, 1)]);
        let Ok(Row::Product(shirt)) = &found[0].row else { panic!("{found:?}") };
        assert_eq!(shirt.body["description"], "<p>Good</p>");
        assert_eq!(shirt.body["tags"], serde_json::json!(["new", "blue"]));
        assert_eq!(shirt.body["images"][0]["url"], "https://x/1");
        assert_eq!(shirt.body["options"], serde_json::json!([{ "name": "Size", "values": ["S", "M"] }]));
        assert_eq!(shirt.body["variants"][0]["compare_at"]["amount"], 1200);
        assert_eq!(
            (&shirt.body["variants"][1]["weight_grams"], &shirt.body["variants"][1]["compare_at"]),
            (&160.into(), &serde_json::Value::Null)
        );
        assert_eq!((shirt.stock.len(), shirt.stock[0].1, &found[0].lines[..]), (1, 3, &[2, 3][..]));
        let Ok(Row::Product(hat)) = &found[1].row else { panic!("{found:?}") };
        assert_eq!((&hat.body["status"], &hat.body["variants"][0]["sku"]), (&"draft".into(), &"hat".into()));
        assert!(hat.stock.is_empty());
        let Err(wrong) = &found[2].row else { panic!("{found:?}") };
        assert_eq!((wrong[0].line, wrong[0].field.as_deref()), (6, Some("Variant Price")));
    }

    #[test]
    fn a_wrong_header_is_named() {
        let mut reader = Reader::new(manner(Format::ShopifyCsv), Place::START);
        let error = reader.push(b"id;title\n1;x\n", true).unwrap_err();
        assert!(error.reason.contains("Handle") && error.reason.contains("id;title"), "{error}");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter_and_every_entry_can_be_begun_behind(pieces in 1_usize..400, damage in 0_usize..900, with in any::<u8>()) {
            let mut bytes = SHIRTS.as_bytes().to_vec();
            let at = damage % bytes.len();
            bytes[at] = with;
            let whole = all(Format::ShopifyCsv, &bytes, usize::MAX / 2, Place::START);
            prop_assert_eq!(&all(Format::ShopifyCsv, &bytes, pieces, Place::START), &whole);
            for (index, entry) in whole.iter().enumerate() {
                let from = Place { byte: entry.end, line: entry.next_line };
                prop_assert_eq!(&all(Format::ShopifyCsv, &bytes, pieces, from)[..], &whole[index + 1..]);
            }
        }
    }
}
