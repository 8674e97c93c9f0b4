//! The tree of categories, made from the counts of its leaves. Pure.

use std::collections::BTreeMap;

use kernel::CategoryPath;
use schemars::JsonSchema;
use serde::Serialize;

/// A category with everything below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Category {
    /// Its whole path, as in `electronics/audio`.
    pub path: String,
    /// Its own segment of the path.
    pub name: String,
    /// How many products are sold in it and below it.
    pub count: u64,
    /// The categories right below it, by name.
    pub children: Vec<Category>,
}

/// All categories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Categories {
    /// The categories at the top, by name.
    pub items: Vec<Category>,
}

impl Categories {
    /// The tree of these counts, each of a category without those below it.
    #[must_use]
    pub fn of(counts: &BTreeMap<CategoryPath, u64>) -> Self {
        let mut items = Vec::new();
        for (path, count) in counts {
            let segments: Vec<&str> = path.as_str().split('/').collect();
            add(&mut items, "", &segments, *count);
        }
        Self { items }
    }
}

fn add(siblings: &mut Vec<Category>, above: &str, segments: &[&str], count: u64) {
    let Some((name, below)) = segments.split_first() else { return };
    let path = if above.is_empty() { (*name).to_owned() } else { format!("{above}/{name}") };
    let index = match siblings.binary_search_by(|one| one.name.as_str().cmp(name)) {
        Ok(index) => index,
        Err(index) => {
            siblings.insert(index, Category { path: path.clone(), name: (*name).to_owned(), ..Category::default() });
            index
        }
    };
    siblings[index].count += count;
    add(&mut siblings[index].children, &path, below, count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_along_the_path() {
        let counts = [("a/b/c", 2), ("a/b", 1), ("a-z", 4), ("a/d", 8)];
        let counts = counts.into_iter().map(|(path, count)| (CategoryPath::parse(path).unwrap(), count)).collect();
        let tree = Categories::of(&counts).items;
        let seen: Vec<(&str, u64)> = tree.iter().map(|one| (one.path.as_str(), one.count)).collect();
        assert_eq!(seen, [("a", 11), ("a-z", 4)]);
        let below: Vec<(&str, u64)> = tree[0].children.iter().map(|one| (one.path.as_str(), one.count)).collect();
        assert_eq!(below, [("a/b", 3), ("a/d", 8)]);
        assert_eq!(tree[0].children[0].children[0].name, "c");
    }
}
