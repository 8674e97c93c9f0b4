//! The command line: a handful of flags, read by hand. What is not known is refused with what it may have meant.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A command that is known.
struct Spec {
    name: &'static str,
    about: &'static str,
    flags: &'static [Flag],
}

/// A flag: its name, what its value is called (none for a switch), what it does.
type Flag = (&'static str, Option<&'static str>, &'static str);

const LISTEN: Flag = ("--listen", Some("ADDRESS"), "where to listen (OXCART_LISTEN, else 127.0.0.1:8080)");

const COMMANDS: &[Spec] = &[
    Spec {
        name: "run",
        about: "serves a shop (this is what happens without a command)",
        flags: &[
            LISTEN,
            ("--data", Some("FOLDER"), "where it keeps its data (.oxcart)"),
            ("--memory", None, "keeps nothing"),
            ("--catalog", Some("FILE"), "serves these products instead of the demo: JSON lines, plain or gzip"),
            ("--map", Some("FILE"), "which of the file's fields feeds which of ours (see docs/examples)"),
            (
                "--search",
                Some("ENGINE"),
                "embedded, off, or opensearch at OXCART_OPENSEARCH_URL (OXCART_SEARCH, else embedded)",
            ),
            ("--no-cdn", None, "without the CDN before the shop"),
            ("--cors", Some("ORIGINS"), "lets browsers call from these origins, separated by commas, or from *"),
            ("--log", None, "prints the functions' log lines instead of writing oxcart.log"),
        ],
    },
    Spec {
        name: "data",
        about: "serves only the embedded AWS services, for functions in other processes, and prints their variables",
        flags: &[
            LISTEN,
            ("--data", Some("FOLDER"), "keeps the data (else in memory)"),
            ("--fixtures", None, "fills it with what the golden events are about"),
        ],
    },
    Spec {
        name: "import",
        about: "imports a file of products into a shop over its API (OXCART_ADMIN_PASSWORD; a shop here keeps its own)",
        flags: &[
            ("--file", Some("FILE"), "Shopify's product CSV, or JSON lines; plain or gzip"),
            ("--map", Some("FILE"), "which of the fields of JSON lines feeds which of ours (see docs/examples)"),
            ("--url", Some("URL"), "which shop (http://127.0.0.1:8080)"),
            ("--format", Some("FORMAT"), "shopify-csv or jsonl, where the file's name does not tell"),
            ("--currency", Some("CODE"), "the currency of prices that name none (EUR)"),
            ("--encoding", Some("NAME"), "utf-8 (what is tried without it) or windows-1252"),
            ("--admin", Some("EMAIL"), "the administrator (OXCART_ADMIN_EMAIL, else admin@example.com)"),
            ("--data", Some("FOLDER"), "where the shop on this machine keeps its data (.oxcart)"),
        ],
    },
    Spec {
        name: "demo",
        about: "lets many shoppers race for few units, and then pay at a provider that misbehaves; in memory, over HTTP",
        flags: &[
            ("--shoppers", Some("NUMBER"), "how many (200)"),
            ("--units", Some("NUMBER"), "for how many units (10)"),
            ("--shards", Some("NUMBER"), "split over how many shards (1)"),
            ("--checkouts", Some("NUMBER"), "how many checkouts in the second act (500)"),
            ("--sockets", Some("NUMBER"), "over how many connections at once (256)"),
        ],
    },
    Spec {
        name: "smoke",
        about: "runs the black-box suite against a shop (OXCART_ADMIN_PASSWORD opens the staff's part)",
        flags: &[
            ("--url", Some("URL"), "which shop"),
            ("--admin", Some("EMAIL"), "its administrator (OXCART_ADMIN_EMAIL, else admin@example.com)"),
            ("--data", Some("FOLDER"), "where the shop on this machine keeps its data (.oxcart)"),
            ("--filter", Some("TEXT"), "only cases whose names have this in them"),
            ("--local", None, "it is our own gateway, although not on this machine"),
        ],
    },
    Spec {
        name: "staff",
        about: "makes an administrator on a deployed stage (AWS_*, OXCART_PREFIX; the password is OXCART_ADMIN_PASSWORD)",
        flags: &[("--email", Some("EMAIL"), "the account's address")],
    },
    Spec {
        name: "crash",
        about: "kills a shop in the middle of many checkouts, starts it again and audits it",
        flags: &[("--checkouts", Some("NUMBER"), "how many (1000)")],
    },
    Spec {
        name: "soak",
        about: "places many orders in a row and tells whether the checkout gets slower",
        flags: &[("--orders", Some("NUMBER"), "how many (100000)")],
    },
    Spec {
        name: "simulate",
        about: "runs the real shop in storms drawn from seeds, in virtual time, and checks that nothing is ever oversold",
        flags: &[
            ("--seed", Some("NUMBER"), "the first seed (1); alone: runs it twice, and prints its last calls"),
            ("--runs", Some("NUMBER"), "how many seeds from there on"),
            ("--threads", Some("NUMBER"), "on so many threads (2)"),
        ],
    },
    Spec {
        name: "physics",
        about: "sells one item in a model of DynamoDB's limits: the whole table, or one row of it",
        flags: &[
            ("--shards", Some("NUMBER"), "over so many shards (1)"),
            ("--hold", Some("MILLISECONDS"), "so long from hold to confirmation (300)"),
            ("--rate", Some("NUMBER"), "so many shoppers a second (what the shards take)"),
            ("--span", Some("MILLISECONDS"), "counted for so long, after a warm-up (2000)"),
            ("--seed", Some("NUMBER"), "where chance comes from (1)"),
        ],
    },
    Spec {
        name: "costs",
        about: "counts what each flow costs at the database: round trips, read and write units",
        flags: &[],
    },
    Spec {
        name: "generate",
        about: "writes what is generated from the registry",
        flags: &[
            ("--check", None, "only says what differs"),
            ("--root", Some("FOLDER"), "the repository (the present folder)"),
        ],
    },
];

/// A command with its flags.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The command.
    pub command: &'static str,
    flags: BTreeMap<&'static str, String>,
}

impl Arguments {
    /// Reads what stands behind the program's name. `Ok(None)` asks for help.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Option<Self>, String> {
        let mut words = words.into_iter().peekable();
        let named = words.next_if(|word| !word.starts_with('-')).unwrap_or_else(|| "run".into());
        if named == "help" {
            return Ok(None);
        }
        let spec = COMMANDS.iter().find(|spec| spec.name == named);
        let spec = spec.ok_or_else(|| unknown("command", &named, COMMANDS.iter().map(|spec| spec.name)))?;
        let mut flags = BTreeMap::new();
        while let Some(word) = words.next() {
            if matches!(word.as_str(), "--help" | "-h") {
                return Ok(None);
            }
            let (name, attached) = match word.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
                _ => (word, None),
            };
            let flag = spec.flags.iter().find(|(known, _, _)| *known == name);
            let flag = flag.ok_or_else(|| unknown("flag", &name, spec.flags.iter().map(|(name, _, _)| *name)))?;
            let value = match (flag.1, attached) {
                (None, None) => String::new(),
                (None, Some(_)) => return Err(format!("{name} takes no value")),
                (Some(_), Some(value)) => value,
                (Some(kind), None) => words.next().ok_or_else(|| format!("{name} needs a value: {name} {kind}"))?,
            };
            if flags.insert(flag.0, value).is_some() {
                return Err(format!("{name} stands there twice"));
            }
        }
        Ok(Some(Self { command: spec.name, flags }))
    }

    /// The value of a flag.
    #[must_use]
    pub fn get(&self, flag: &str) -> Option<&str> {
        self.flags.get(flag).map(String::as_str)
    }

    /// Whether a flag stands there.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        self.flags.contains_key(flag)
    }

    /// The number that a flag says.
    pub fn number<N: std::str::FromStr>(&self, flag: &str, default: N) -> Result<N, String> {
        match self.get(flag) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("{flag} must be a number, not `{text}`")),
        }
    }
}

/// What there is.
#[must_use]
pub fn help() -> String {
    let mut text = String::from("oxcart-local [COMMAND] [FLAGS]\n");
    for Spec { name, about, flags } in COMMANDS {
        let _ = write!(text, "\n{name}  {about}\n");
        for (flag, value, about) in *flags {
            let flag = format!("{flag} {}", value.unwrap_or_default());
            let _ = writeln!(text, "    {flag:<22} {about}");
        }
    }
    text.push_str(
        "\nThe administrator is admin@example.com; the password is OXCART_ADMIN_PASSWORD, or made up and printed.\n",
    );
    text
}

fn unknown(what: &str, word: &str, known: impl Iterator<Item = &'static str> + Clone) -> String {
    let near = known.clone().min_by_key(|name| distance(name, word)).filter(|name| distance(name, word) <= 3);
    let hint = match near {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
    };
    format!("there is no {what} {word}; {hint} (--help tells more)")
}

/// How many letters must be added, removed or replaced to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Arguments>, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn commands_and_flags_are_read() {
        let run = parse("--memory --listen=127.0.0.1:0").unwrap().unwrap();
        assert_eq!((run.command, run.has("--memory"), run.get("--listen")), ("run", true, Some("127.0.0.1:0")));
        let data = parse("data --listen 1:2 --fixtures").unwrap().unwrap();
        assert_eq!((data.command, data.get("--listen"), data.get("--data")), ("data", Some("1:2"), None));
        assert_eq!(parse("demo --shoppers 7").unwrap().unwrap().number("--shoppers", 200_usize), Ok(7));
        assert_eq!(parse("run --help"), Ok(None));
        assert!(help().contains("--catalog FILE"));
    }

    #[test]
    fn mistakes_are_refused_with_a_hint() {
        assert!(parse("run --memry").unwrap_err().contains("did you mean --memory?"));
        assert!(parse("rum").unwrap_err().contains("did you mean run?"));
        assert!(parse("run --what-is-this").unwrap_err().contains("known are --listen"));
        assert!(parse("run --data").unwrap_err().contains("--data FOLDER"));
        assert!(parse("run --memory=1").unwrap_err().contains("no value"));
        assert!(parse("run --data a --data b").unwrap_err().contains("twice"));
        assert!(parse("demo --shoppers x").unwrap().unwrap().number("--shoppers", 1_usize).is_err());
    }
}
