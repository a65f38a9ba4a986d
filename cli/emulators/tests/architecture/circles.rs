//! No import circle between folders, and none of more than three files within a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::imports::Imports;
use super::workspace::{members, root, source_root};

/// The most files of one folder that may import each other in a circle.
const MOST_FILES: usize = 3;

type Graph = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

#[test]
fn no_folder_imports_itself_through_others_and_file_circles_are_small() {
    let workspace = root();
    let mut found = Vec::new();
    for root in members().iter().filter_map(|member| source_root(member)) {
        let imports = Imports::of_crate(&root);
        let source = root.parent().unwrap();
        let edges: Graph =
            imports.edges.iter().map(|(file, to)| (file.clone(), to.keys().cloned().collect())).collect();
        let mut folders: BTreeSet<PathBuf> = edges.keys().flat_map(|file| parents(file, source)).collect();
        folders.insert(source.to_path_buf());
        for folder in folders {
            for circle in circles(&children_graph(&edges, &folder)) {
                let is_folder = |unit: &PathBuf| {
                    unit.is_dir() || unit.with_extension("").is_dir() && unit.with_extension("") != folder
                };
                let has_folder = circle.iter().any(is_folder);
                if has_folder || circle.len() > MOST_FILES {
                    found.push(described(&circle, &imports, &folder, &workspace));
                }
            }
        }
    }
    assert!(found.is_empty(), "{} import circles:\n\n{}", found.len(), found.join("\n"));
}

/// The folders that a file is in, below the crate's own.
fn parents(file: &Path, source: &Path) -> Vec<PathBuf> {
    file.ancestors().skip(1).take_while(|folder| *folder != source).map(Path::to_path_buf).collect()
}

/// The imports between what is directly in a folder: its files, and its folders as wholes. `x.rs` belongs to the folder `x`.
fn children_graph(edges: &Graph, folder: &Path) -> Graph {
    let unit = |file: &Path| {
        if file == folder.with_extension("rs") {
            return Some(file.to_path_buf());
        }
        let first = file.strip_prefix(folder).ok()?.components().next()?;
        let unit = folder.join(first);
        let home = unit.with_extension("");
        Some(if home.is_dir() { home } else { unit })
    };
    let mut graph = Graph::new();
    for (file, to) in edges {
        let Some(from) = unit(file) else { continue };
        let targets = to.iter().filter_map(|file| unit(file)).filter(|target| *target != from);
        graph.entry(from.clone()).or_default().extend(targets);
    }
    graph
}

/// The sets of nodes that reach each other.
fn circles(graph: &Graph) -> Vec<Vec<PathBuf>> {
    let reach: BTreeMap<_, _> = graph.keys().map(|node| (node, reachable(graph, node))).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for node in graph.keys().filter(|node| reach[node].contains(*node)) {
        if seen.contains(node) {
            continue;
        }
        let circle: Vec<_> =
            reach[node].iter().filter(|other| reach[other].contains(node)).cloned().collect();
        seen.extend(circle.iter().cloned());
        found.push(circle);
    }
    found
}

fn reachable(graph: &Graph, from: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut next = vec![from];
    while let Some(node) = next.pop() {
        for target in graph.get(node).into_iter().flatten() {
            if found.insert(target.clone()) {
                next.push(target);
            }
        }
    }
    found
}

/// A circle with the imports that make it.
fn described(circle: &[PathBuf], imports: &Imports, folder: &Path, workspace: &Path) -> String {
    let short = |path: &Path| path.strip_prefix(workspace).unwrap().display().to_string();
    let unit = |file: &Path| {
        circle
            .iter()
            .find(|unit| file.starts_with(unit) || file == **unit || file.with_extension("") == **unit)
    };
    let mut text = format!("{}: {} in a circle\n", short(folder), circle.len());
    for (from, to) in &imports.edges {
        for (target, name) in to {
            if let (Some(a), Some(b)) = (unit(from), unit(target))
                && a != b
            {
                text.extend(["  ", &short(from), " -> ", &short(target), " (", name, ")\n"]);
            }
        }
    }
    text
}
