//! Parses the files of a crate and the imports of each file, without unit tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Item, ItemMod, ItemUse, Lit, Meta, UseTree};

/// A path of modules below the crate's root. The path of the root is empty.
type ModulePath = Vec<String>;

/// The files of one crate and the files that each of them imports from.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    /// The file of each module.
    files: BTreeMap<ModulePath, PathBuf>,
    /// File -> imported file -> the first path that imports it.
    pub(crate) edges: BTreeMap<PathBuf, BTreeMap<PathBuf, String>>,
}

impl Imports {
    /// Reads a crate, starting with its root file.
    pub(crate) fn of_crate(root: &Path) -> Self {
        let mut imports = Self::default();
        let mut parsed = Vec::new();
        imports.read(root.to_path_buf(), root.parent().unwrap(), Vec::new(), &mut parsed);
        for (path, module, items) in &parsed {
            let mut paths = Paths { module: module.clone(), found: BTreeSet::new() };
            for item in items {
                paths.visit_item(item);
            }
            for (module, segments) in paths.found {
                if let Some(target) = imports.resolve(&module, &segments).filter(|target| target != path) {
                    let targets = imports.edges.entry(path.clone()).or_default();
                    targets.entry(target).or_insert_with(|| segments.join("::"));
                }
            }
        }
        imports
    }

    fn read(
        &mut self,
        path: PathBuf,
        children: &Path,
        module: ModulePath,
        parsed: &mut Vec<(PathBuf, ModulePath, Vec<Item>)>,
    ) {
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = syn::parse_file(&source).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.files.insert(module.clone(), path.clone());
        self.edges.entry(path.clone()).or_default();
        let items: Vec<_> = file.items.into_iter().filter(|item| !is_test(attributes(item))).collect();
        for item in &items {
            self.declare(item, &path, children, &module, parsed);
        }
        parsed.push((path, module, items));
    }

    fn declare(
        &mut self,
        item: &Item,
        path: &Path,
        children: &Path,
        module: &[String],
        parsed: &mut Vec<(PathBuf, ModulePath, Vec<Item>)>,
    ) {
        let Item::Mod(ItemMod { ident, content, attrs, .. }) = item else { return };
        let name = ident.to_string();
        let inner: ModulePath = module.iter().cloned().chain([name.clone()]).collect();
        let subfolder = children.join(&name);
        if let Some((_, items)) = content {
            self.files.insert(inner.clone(), path.to_path_buf());
            for item in items {
                self.declare(item, path, &subfolder, &inner, parsed);
            }
            return;
        }
        let explicit = attrs.iter().find_map(path_attribute).map(|file| path.parent().unwrap().join(file));
        let candidates = [children.join(format!("{name}.rs")), subfolder.join("mod.rs")];
        let file = explicit.or_else(|| candidates.into_iter().find(|file| file.exists()));
        self.read(
            file.unwrap_or_else(|| panic!("no file of {}::{name}", path.display())),
            &subfolder,
            inner,
            parsed,
        );
    }

    /// Returns the file that defines the item at a path: the file of the longest prefix of the path that is a module.
    fn resolve(&self, module: &[String], segments: &[String]) -> Option<PathBuf> {
        let mut current = module.to_vec();
        let mut rest = segments;
        match rest.first()?.as_str() {
            "crate" => {
                current.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    current.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                current.push(first.to_owned());
                self.files.get(&current)?;
                rest = &rest[1..];
            }
        }
        for segment in rest {
            current.push(segment.clone());
            if !self.files.contains_key(&current) {
                current.pop();
                break;
            }
        }
        self.files.get(&current).cloned()
    }
}

/// The paths in the items of a file, each with the module that contains it.
struct Paths {
    module: ModulePath,
    found: BTreeSet<(ModulePath, Vec<String>)>,
}

impl Paths {
    fn tree(&mut self, tree: &UseTree, before: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(&path.tree, before);
                before.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before)),
            UseTree::Name(name) => self.leaf(before, Some(name.ident.to_string())),
            UseTree::Rename(rename) => self.leaf(before, Some(rename.ident.to_string())),
            UseTree::Glob(_) => self.leaf(before, None),
        }
    }

    fn leaf(&mut self, before: &[String], name: Option<String>) {
        let segments = before.iter().cloned().chain(name.filter(|name| name != "self")).collect();
        self.found.insert((self.module.clone(), segments));
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_test(&item.attrs) {
            self.tree(&item.tree, &mut Vec::new());
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if is_test(&item.attrs) {
            return;
        }
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.found.insert((self.module.clone(), segments));
        }
        visit::visit_path(self, path);
    }
}

/// Whether the attributes limit an item to test builds.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

fn path_attribute(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    match &pair.value {
        Expr::Lit(literal) if pair.path.is_ident("path") => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Const(item) => &item.attrs,
        _ => &[],
    }
}
