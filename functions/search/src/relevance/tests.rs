//! Each means on small made-up catalogues of other trades than those it was measured on.

use std::collections::BTreeMap;

use catalog::{Attribute, Attributes, Rating};
use kernel::{CategoryPath, Currency, Money, ProductId, Slug, Timestamp};
use proptest::prelude::*;

use super::{Lexicon, Plan, QUERY_WORDS, Weights};
use crate::clause::{Clause, Field};
use crate::document::Document;
use crate::entry::Signals;

fn document(name: &str, brand: &str, category: &str) -> Document {
    Document {
        id: ProductId::new([0; 16]),
        slug: Slug::parse("thing").unwrap(),
        name: name.into(),
        description: name.to_lowercase(),
        brand: brand.into(),
        category: CategoryPath::parse(category).unwrap(),
        tags: Vec::new(),
        attributes: Attributes::default(),
        options: Vec::new(),
        codes: Vec::new(),
        skus: Vec::new(),
        prices: vec![Money::new(1000, Currency::EUR)],
        rating: Rating::default(),
        image: None,
        in_stock: true,
        created_at: Timestamp::from_millis(0),
        version: 1,
    }
}

/// A shop for clothes, kitchen and phones; each name from three brands.
fn shop() -> Vec<Document> {
    let names = [
        ("Linen Shirt - Navy", "clothes/shirts"),
        ("Oxford Shirt, white", "clothes/shirts"),
        ("Leather Belt for Men - Black", "clothes/belts"),
        ("Winter Coat Grey", "clothes/coats"),
        ("Chef Knife 20 cm", "kitchen/knives"),
        ("Bread Knife with wooden handle", "kitchen/knives"),
        ("Knife Block for 6 knives", "kitchen/storage"),
        ("Knife Block Bamboo", "kitchen/storage"),
        ("Frying Pan 28 cm", "kitchen/pans"),
        ("Pan Lid for 28 cm pans", "kitchen/lids"),
        ("Phone Case for Nova X7 - Clear", "phones/cases"),
        ("Phone Case for Orbit 3 - Red", "phones/cases"),
        ("Nova X7 Phone 128 GB Black", "phones/phones"),
        ("Orbit 3 Phone, 64 GB", "phones/phones"),
        ("Stereo Headset", "phones/audio"),
    ];
    let brands = ["Alba", "Bruno", "Cedar"];
    let all = brands.iter().flat_map(|brand| names.iter().map(move |(name, category)| (brand, name, category)));
    all.map(|(brand, name, category)| document(&format!("{brand} {name}"), brand, category)).collect()
}

fn signals(name: &str) -> Signals {
    Lexicon::learn(&shop()).signals(&document(name, "Alba", "other"))
}

fn plan(query: &str) -> Plan {
    Lexicon::learn(&shop()).plan(query)
}

/// Every word that is asked for, in its field.
fn asked(clause: &Clause, found: &mut Vec<(Field, String)>) {
    match clause {
        Clause::Word { field, word, .. } => found.push((*field, word.clone())),
        Clause::Phrase { .. } | Clause::Accessory => {}
        Clause::Best { of, .. } | Clause::Some { of, .. } => of.iter().for_each(|clause| asked(clause, found)),
        Clause::Rather { must, rather } => {
            asked(must, found);
            rather.iter().for_each(|clause| asked(clause, found));
        }
        Clause::Flat { clause, .. } => asked(clause, found),
        Clause::Scaled { clause, when, .. } => {
            asked(clause, found);
            asked(when, found);
        }
    }
}

fn asks(query: &str, field: Field, word: &str) -> bool {
    let mut found = Vec::new();
    plan(query).clause.iter().for_each(|clause| asked(clause, &mut found));
    found.contains(&(field, word.to_owned()))
}

fn demotes_accessories(query: &str) -> bool {
    matches!(plan(query).clause, Some(Clause::Scaled { when, .. }) if *when == Clause::Accessory)
}

#[test]
fn a_thing_is_what_its_name_ends_with_and_not_what_it_is_for() {
    assert_eq!(signals("Alba Linen Shirt - Navy").names, ["linen shirt"]);
    let block = signals("Alba Knife Block Bamboo");
    assert_eq!(block.kinds, ["block", "knifeblock"], "a block is met by `block`, never by `knife`");
    assert_eq!(signals("Alba Bread Knife with steel handle").kinds.first().map(String::as_str), Some("breadknife"));
    assert_eq!(signals("Alba Chef Knives, set of 3").kinds.last().map(String::as_str), Some("knife"));
    assert_eq!(signals("Something Unheard Of"), Signals::default());
}

#[test]
fn what_is_for_other_things_is_an_accessory() {
    assert!(
        signals("Alba Phone Case, clear").accessory,
        "cases mostly are for phones, also where a name does not say so"
    );
    assert!(signals("Alba Frying Pan for induction").accessory, "this one says so itself");
    assert!(!signals("Alba Frying Pan 28 cm").accessory);
    assert!(!signals("Alba Nova X7 Phone").accessory);
    assert!(signals("Alba Phone Case for Nova X7").kinds.contains(&"fornova".to_owned()));
}

#[test]
fn categories_and_types_say_what_a_name_does_not() {
    let lexicon = Lexicon::learn(&shop());
    assert_eq!(lexicon.signals(&document("Alba Nimbus", "Alba", "clothes/summer-shirts")).names, ["shirt"]);
    let mut typed = document("Alba Nimbus", "Alba", "other");
    typed.attributes.0 = BTreeMap::from([("Product type".to_owned(), Attribute::Text("Winter coats".into()))]);
    assert!(lexicon.signals(&typed).kinds.contains(&"coat".to_owned()));
}

#[test]
fn who_wants_a_thing_is_not_given_its_accessories_first() {
    assert!(asks("phones", Field::Kind, "phone"));
    assert!(demotes_accessories("phones"));
    assert!(asks("phone case", Field::Kind, "phonecase") && asks("phone case", Field::Kind, "case"));
    assert!(!demotes_accessories("phone case"), "who wants a case is given cases");
    assert!(!demotes_accessories("phone for nova"), "who says what it is for is taken at their word");
    assert!(asks("case for nova x7", Field::Kind, "case") && !asks("case for nova x7", Field::Kind, "x7"));
    assert!(asks("nova x7", Field::Kind, "fornova"), "a model is the thing itself before what is for it");
}

#[test]
fn words_that_mean_the_same_are_searched_as_well() {
    assert!(asks("laptop", Field::Name, "notebook") && asks("laptop", Field::Kind, "notebook"));
    assert!(asks("cell phone", Field::Name, "smartphone"));
    assert!(asks("head set", Field::Name, "headset"), "two words that the catalogue writes as one");
    assert!(asks("fryingpan", Field::Name, "frying") && asks("fryingpan", Field::Name, "pan"), "and the other way");
    let without = Lexicon::default().plan_with("laptop", &Weights { same: 0, ..Weights::default() });
    let mut found = Vec::new();
    without.clause.iter().for_each(|clause| asked(clause, &mut found));
    assert!(found.iter().all(|(_, word)| word == "laptop" || word == "forlaptop"));
}

#[test]
fn an_unknown_word_is_corrected_and_still_searched() {
    let plan = plan("linnen shrit");
    assert_eq!(plan.corrected.as_deref(), Some("linen shirt"));
    assert!(asks("shrit", Field::Name, "shrit") && asks("shrit", Field::Name, "shirt"));
    assert!(asks("shrit", Field::Kind, "shirt"), "and it is known what is wanted");
    for kept in ["shirt", "shirts", "X7", "xyz", "qwertzuiop"] {
        assert_eq!(Lexicon::learn(&shop()).plan(kept).corrected, None, "{kept}");
    }
}

#[test]
fn codes_are_asked_for_as_they_are_written() {
    assert!(asks("XT-6.2/a", Field::Codes, "xt-6.2/a"));
    assert!(asks("4006381333931", Field::Codes, "4006381333931"));
    assert!(!asks("nova x7", Field::Codes, "x7"), "too short for a code");
}

#[test]
fn too_few_hits_are_filled_up_step_by_step() {
    let plan = plan("red linen winter coat");
    let least = |clause: &Clause| match clause {
        Clause::Scaled { clause, .. } => match &**clause {
            Clause::Rather { must, .. } => match &**must {
                Clause::Some { least, of } => (*least, of.len()),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let steps: Vec<(usize, usize)> = plan.clause.iter().chain(&plan.relaxed).map(least).collect();
    assert_eq!(steps, [(4, 4), (3, 4), (1, 4)]);
    assert_eq!(Lexicon::default().plan("coat").relaxed, []);
}

#[test]
fn a_query_without_words_has_no_clause_and_stop_words_alone_are_searched() {
    assert_eq!(plan("  👍 !! "), Plan { clause: None, relaxed: vec![], corrected: None });
    assert!(asks("the", Field::Name, "the") && asks("for the", Field::Name, "the"));
    assert!(!asks("the best coat", Field::Name, "the"));
}

#[test]
fn a_lexicon_is_kept_and_read_again_and_is_the_same_each_time() {
    let lexicon = Lexicon::learn(&shop());
    let bytes = lexicon.to_bytes().unwrap();
    assert_eq!(bytes, Lexicon::learn(&shop()).to_bytes().unwrap());
    let read = Lexicon::from_bytes(&bytes).unwrap();
    assert_eq!(read.products(), 45);
    assert_eq!(read.plan("linnen shirt for men"), lexicon.plan("linnen shirt for men"));
    assert_eq!(read.signals(&shop()[6]), lexicon.signals(&shop()[6]));
    assert!(Lexicon::from_bytes(b"{}").is_err());
    assert!(Lexicon::from_bytes(bytes.get(..bytes.len() / 2).unwrap()).is_err());
}

fn size(clause: &Clause) -> usize {
    let mut found = Vec::new();
    asked(clause, &mut found);
    found.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_query_gives_a_plan_of_bounded_size(query in "(\\PC{0,40}|[a-z -]{0,400}|(the |for |laptop |usb stick ){0,40})") {
        let plan = Lexicon::learn(&shop()).plan(&query);
        prop_assert!(plan.relaxed.len() <= 2);
        for clause in plan.clause.iter().chain(&plan.relaxed) {
            prop_assert!(size(clause) <= QUERY_WORDS * 7 * 3 * 6 + 64, "{}", size(clause));
        }
    }

    #[test]
    fn any_product_is_learned_and_has_signals(name in "\\PC{0,80}", brand in "\\PC{0,20}", text in "\\PC{0,200}") {
        let mut odd = document(&name, &brand, "other");
        odd.description = text;
        let lexicon = Lexicon::learn([&odd, &odd, &odd]);
        let signals = lexicon.signals(&odd);
        prop_assert!(signals.kinds.len() <= 32 && signals.names.len() <= 3);
    }
}

#[test]
fn a_query_of_ten_thousand_characters_is_planned_like_its_beginning() {
    let long = "galaxy ".repeat(1_500);
    let beginning: String = long.chars().take(super::QUERY_CHARS).collect();
    assert_eq!(plan(&long), plan(&beginning));
    assert_eq!(plan(&"ß".repeat(10_000)).corrected, None);
}
