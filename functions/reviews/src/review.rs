//! A review and what can be done to it, pure. Each step gives the review as it stands afterwards; who writes it makes sure
//! that nothing happened in between.

use kernel::limits::{PERSON_NAME, REVIEW_CHARS};
use kernel::problem::{FieldError, Place};
use kernel::{ProductId, ReviewId, Timestamp, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A review as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The product.
    #[serde(rename = "pk")]
    pub product: ProductId,
    /// Its id: made of product and customer, so that there is one for each pair.
    #[serde(rename = "sk")]
    pub id: ReviewId,
    /// The product again, while the review is shown: the index of shown reviews goes by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<ProductId>,
    /// Who wrote it.
    pub customer: UserId,
    /// What it says.
    pub said: NewReview,
    /// Whether staff hides it. What was hidden stays so when it is changed, or deleted and written again.
    #[serde(default)]
    pub hidden: Option<Moderation>,
    /// Whether its author deleted it.
    #[serde(default)]
    pub deleted: bool,
    /// Its stars that the product's rating counts; 0 when it counts none.
    pub counted: u8,
    /// Goes up when what it says changes.
    pub version: u64,
    /// Goes up with every write.
    pub rev: u64,
    /// What the call that wrote it is known by.
    pub made_by: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// When what it says was changed.
    pub updated_at: Timestamp,
}

/// A review as it is sent in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReview {
    /// Stars, from 1 to 5.
    #[schemars(range(min = 1, max = 5))]
    pub rating: u8,
    /// A headline.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub title: String,
    /// What the customer thinks.
    #[serde(default)]
    #[schemars(length(max = REVIEW_CHARS))]
    pub text: String,
    /// The name it is shown under; the first name of the account when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = PERSON_NAME))]
    pub author: Option<String>,
}

/// Why, when and by whom a review was hidden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReviewModeration")]
pub struct Moderation {
    /// Who did.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl NewReview {
    /// Without blanks around its texts, shown under a name: the one that was sent, or the first of the account's.
    #[must_use]
    pub fn tidied(self, account: &str) -> Self {
        let author = self.author.as_deref().map(str::trim).filter(|name| !name.is_empty());
        let author = author.or_else(|| account.split_whitespace().next()).unwrap_or("A customer").to_owned();
        let (title, text) = (self.title.trim().to_owned(), self.text.trim().to_owned());
        Self { title, text, author: Some(author), ..self }
    }

    /// What is wrong with it beyond what the schema says.
    #[must_use]
    pub fn errors(&self) -> Vec<FieldError> {
        let texts = [("/title", Some(&self.title)), ("/author", self.author.as_ref())];
        let broken = texts.into_iter().filter(|(_, text)| text.is_some_and(|text| text.chars().any(char::is_control)));
        let error = |(pointer, _): (&str, _)| FieldError {
            place: Place::Body,
            pointer: pointer.to_owned(),
            detail: "must not have line breaks or other control characters".into(),
        };
        broken.map(error).collect()
    }
}

impl Review {
    /// The id of a customer's review of a product.
    #[must_use]
    pub fn id(product: &ProductId, customer: &UserId) -> ReviewId {
        ReviewId::derive(&[product.as_str().as_bytes(), customer.as_str().as_bytes()])
    }

    /// A first review.
    #[must_use]
    pub fn new(product: ProductId, customer: UserId, said: NewReview, made_by: String, now: Timestamp) -> Self {
        let id = Self::id(&product, &customer);
        let review = Self {
            list: None,
            hidden: None,
            deleted: false,
            counted: 0,
            version: 1,
            rev: 1,
            created_at: now,
            updated_at: now,
            product,
            id,
            customer,
            said,
            made_by,
        };
        review.listed()
    }

    /// Whether shoppers see it.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.hidden.is_none() && !self.deleted
    }

    /// The stars that the product's rating ought to count of it.
    #[must_use]
    pub fn countable(&self) -> u8 {
        if self.is_shown() { self.said.rating } else { 0 }
    }

    /// Written again after it was deleted.
    #[must_use]
    pub fn rewritten(&self, said: NewReview, made_by: String, now: Timestamp) -> Self {
        Self { deleted: false, made_by, created_at: now, ..self.changed(said, now) }.listed()
    }

    /// With other words and stars.
    #[must_use]
    pub fn changed(&self, said: NewReview, now: Timestamp) -> Self {
        let (version, rev) = (self.version + 1, self.rev + 1);
        Self { said, version, rev, updated_at: now.max(self.updated_at), ..self.clone() }
    }

    /// Deleted by its author: the words go at once.
    #[must_use]
    pub fn deleted(&self, now: Timestamp) -> Self {
        let said = NewReview { rating: self.said.rating, ..NewReview::default() };
        Self { deleted: true, ..self.changed(said, now) }.listed()
    }

    /// Hidden by staff, or shown again.
    #[must_use]
    pub fn moderated(&self, hidden: Option<Moderation>) -> Self {
        Self { hidden, rev: self.rev + 1, ..self.clone() }.listed()
    }

    /// With its stars counted as they ought to be.
    #[must_use]
    pub fn counted(&self) -> Self {
        Self { counted: self.countable(), rev: self.rev + 1, ..self.clone() }
    }

    /// Whether nothing of it is worth keeping: it is deleted, counted nowhere, and was not hidden.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.deleted && self.counted == 0 && self.hidden.is_none()
    }

    fn listed(self) -> Self {
        let list = self.is_shown().then(|| self.product.clone());
        Self { list, ..self }
    }
}

/// A review as shoppers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Review")]
pub struct ReviewView {
    /// Its id.
    pub id: ReviewId,
    /// The product.
    pub product_id: ProductId,
    /// The name it is shown under.
    pub author: String,
    /// Stars, from 1 to 5.
    pub rating: u8,
    /// A headline.
    pub title: String,
    /// What the customer thinks.
    pub text: String,
    /// Goes up with every change.
    pub version: u64,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// For its author and staff: that it is hidden from shoppers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// For staff: who hid it, when and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moderation: Option<Moderation>,
}

impl From<Review> for ReviewView {
    fn from(review: Review) -> Self {
        let NewReview { rating, title, text, author } = review.said;
        Self {
            id: review.id,
            product_id: review.product,
            author: author.unwrap_or_default(),
            rating,
            title,
            text,
            version: review.version,
            created_at: review.created_at,
            updated_at: review.updated_at,
            hidden: None,
            moderation: None,
        }
    }
}

impl ReviewView {
    /// As its author sees it.
    #[must_use]
    pub fn for_author(review: Review) -> Self {
        let hidden = Some(review.hidden.is_some());
        Self { hidden, ..Self::from(review) }
    }

    /// As staff sees it.
    #[must_use]
    pub fn for_staff(review: Review) -> Self {
        let moderation = review.hidden.clone();
        Self { moderation, ..Self::for_author(review) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Change(u8),
        Delete,
        Write(u8),
        Hide,
        Show,
        Count,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1_u8..=5).prop_map(Step::Change),
            Just(Step::Delete),
            (1_u8..=5).prop_map(Step::Write),
            Just(Step::Hide),
            Just(Step::Show),
            Just(Step::Count),
        ]
    }

    fn said(rating: u8) -> NewReview {
        NewReview { rating, text: "x".into(), ..NewReview::default() }.tidied("Ada Lovelace")
    }

    proptest! {
        /// Whatever happens between two counts, the sum that counting keeps is that of the shown reviews.
        #[test]
        fn what_is_counted_is_what_is_shown(steps in prop::collection::vec(step(), 0..40)) {
            let now = Timestamp::from_millis(0);
            let moderation = Moderation { actor: "a".into(), reason: "b".into(), at: now };
            let mut review = Review::new(ProductId::new([1; 16]), UserId::new([2; 16]), said(5), "k".into(), now);
            let mut sum = 0_u64;
            for step in steps.into_iter().chain([Step::Count]) {
                let next = match step {
                    Step::Change(stars) if !review.deleted => review.changed(said(stars), now),
                    Step::Write(stars) if review.deleted => review.rewritten(said(stars), "l".into(), now),
                    Step::Delete if !review.deleted => review.deleted(now),
                    Step::Hide => review.moderated(Some(moderation.clone())),
                    Step::Show => review.moderated(None),
                    Step::Count => {
                        sum = sum + u64::from(review.countable()) - u64::from(review.counted);
                        review.counted()
                    }
                    _ => continue,
                };
                prop_assert!(next.rev > review.rev);
                prop_assert_eq!(next.list.is_some(), next.is_shown());
                review = next;
            }
            prop_assert_eq!(sum, u64::from(review.countable()));
        }
    }

    #[test]
    fn the_id_tells_nothing_of_the_customer() {
        let id = Review::id(&ProductId::parse("prd_GoldenTea").unwrap(), &UserId::parse("usr_GoldenStaff").unwrap());
        assert_eq!(id.as_str(), "rev_1Th9D0HAkmjdUs");
    }

    #[test]
    fn a_deleted_review_says_nothing_and_one_without_a_name_has_the_accounts_first() {
        let now = Timestamp::from_millis(0);
        let review = Review::new(ProductId::new([1; 16]), UserId::new([2; 16]), said(4), "k".into(), now);
        assert_eq!(review.said.author.as_deref(), Some("Ada"));
        let deleted = review.counted().deleted(now);
        assert_eq!((deleted.said.text.as_str(), deleted.said.author.as_deref(), deleted.counted), ("", None, 4));
        assert!(!deleted.is_spent() && deleted.counted().is_spent());
        let bad = NewReview { title: "a\nb".into(), author: Some("x\r".into()), ..said(1) };
        assert_eq!(bad.errors().len(), 2);
    }
}
