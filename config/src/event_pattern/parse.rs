//! Parses event patterns and rejects what `EventBridge` would reject.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::wildcard;
use super::{
    Combination, ExcludedValues, MAX_COMBINATIONS, NumberBound, PatternError, PatternStep, StringMatcher,
    ValueMatcher,
};

/// The largest absolute value of a number that can be compared (user guide, "Numeric matching").
const MAX_ABS_NUMBER: f64 = 5e9;
/// Operator names, which are not allowed as field names inside `$or` (`Constants` in `event-ruler`).
const RESERVED: &[&str] = &[
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];
const OPERATORS: &str =
    "`prefix`, `suffix`, `equals-ignore-case`, `wildcard`, `anything-but`, `numeric`, `cidr` or `exists`";

/// Returns all combinations of fields that `$or` expands to. An event must match one of them.
pub(super) fn combinations(pattern: &Value) -> Result<Vec<Combination>, PatternError> {
    let Value::Object(fields) = pattern else {
        return Err(PatternError::new(&[], format!("expected an object, found {}", type_name(pattern))));
    };
    let mut parser = PatternParser { path: Vec::new(), name: Vec::new(), or_depth: 0 };
    parser.object(fields, vec![BTreeMap::new()])
}

struct PatternParser {
    /// The path of the current value, for errors.
    path: Vec<PatternStep>,
    /// The names of the field and of the objects around it, without `$or`.
    name: Vec<String>,
    /// The number of `$or`s around the current value.
    or_depth: usize,
}

impl PatternParser {
    fn error<T>(&self, message: impl Into<String>) -> Result<T, PatternError> {
        Err(PatternError::new(&self.path, message))
    }

    /// Runs `parse` one step deeper in the pattern, so that its errors contain the step.
    fn descend<T>(
        &mut self,
        step: PatternStep,
        parse: impl FnOnce(&mut Self) -> Result<T, PatternError>,
    ) -> Result<T, PatternError> {
        self.path.push(step);
        let result = parse(self)?;
        self.path.pop();
        Ok(result)
    }

    /// Adds the fields of an object to each existing combination.
    fn object(
        &mut self,
        fields: &Map<String, Value>,
        mut so_far: Vec<Combination>,
    ) -> Result<Vec<Combination>, PatternError> {
        if fields.is_empty() {
            return self.error("expected at least one field, found an empty object");
        }
        for (name, value) in fields {
            so_far =
                self.descend(PatternStep::Field(name.clone()), |this| this.field(name, value, so_far))?;
        }
        Ok(so_far)
    }

    fn field(
        &mut self,
        name: &str,
        value: &Value,
        mut so_far: Vec<Combination>,
    ) -> Result<Vec<Combination>, PatternError> {
        if name == "$or" {
            return self.or_branches(value, &so_far);
        }
        if self.or_depth > 0 && RESERVED.contains(&name) {
            return self.error(format!("expected a field name inside `$or`, found the operator `{name}`"));
        }
        self.name.push(name.to_owned());
        match value {
            Value::Object(inner) => so_far = self.object(inner, so_far)?,
            Value::Array(values) => {
                let matchers = self.matchers(values)?;
                let joined = self.name.join(".");
                for combination in &mut so_far {
                    combination.insert(joined.clone(), Arc::clone(&matchers));
                }
            }
            _ => return self.error(format!("expected an array of values, found {}", type_name(value))),
        }
        self.name.pop();
        Ok(so_far)
    }

    fn or_branches(
        &mut self,
        value: &Value,
        combinations: &[Combination],
    ) -> Result<Vec<Combination>, PatternError> {
        let Value::Array(branches) = value else {
            return self.error(format!("expected an array of objects in `$or`, found {}", type_name(value)));
        };
        if branches.len() < 2 {
            return self.error(format!("expected at least two objects in `$or`, found {}", branches.len()));
        }
        let mut all = Vec::new();
        self.or_depth += 1;
        for (index, branch) in branches.iter().enumerate() {
            let more = self.descend(PatternStep::Index(index), |this| match branch {
                Value::Object(fields) => this.object(fields, combinations.to_vec()),
                _ => this.error(format!("expected an object in `$or`, found {}", type_name(branch))),
            })?;
            all.extend(more);
            if all.len() > MAX_COMBINATIONS {
                return self
                    .error(format!("expected at most {MAX_COMBINATIONS} combinations of `$or`, found more"));
            }
        }
        self.or_depth -= 1;
        Ok(all)
    }

    fn matchers(&mut self, values: &[Value]) -> Result<Arc<[ValueMatcher]>, PatternError> {
        if values.is_empty() {
            return self.error("expected at least one value, found an empty array");
        }
        let read = |(index, value)| self.descend(PatternStep::Index(index), |this| this.matcher(value));
        values.iter().enumerate().map(read).collect()
    }

    fn matcher(&mut self, value: &Value) -> Result<ValueMatcher, PatternError> {
        match value {
            Value::Array(_) => self.error("expected a value or an operator, found an array"),
            Value::Object(operator) => {
                let (name, operand) = self.single_operator(operator)?;
                self.descend(PatternStep::Field(name.clone()), |this| this.operator(name, operand))
            }
            value => Ok(ValueMatcher::Exactly(value.clone())),
        }
    }

    /// Returns the name and operand of the only operator in an object.
    fn single_operator<'a>(
        &self,
        operator: &'a Map<String, Value>,
    ) -> Result<(&'a String, &'a Value), PatternError> {
        let mut operators = operator.iter();
        match (operators.next(), operators.next()) {
            (Some(operator), None) => Ok(operator),
            (None, _) => self.error(format!("expected {OPERATORS}, found an empty object")),
            _ => self.error(format!("expected one operator in the object, found {}", operator.len())),
        }
    }

    fn operator(&mut self, name: &str, operand: &Value) -> Result<ValueMatcher, PatternError> {
        match name {
            "exactly" => Ok(ValueMatcher::Exactly(Value::String(self.string(name, operand)?))),
            "prefix" | "suffix" => self.affix(name, operand).map(ValueMatcher::String),
            "equals-ignore-case" | "wildcard" => self.string_matcher(name, operand).map(ValueMatcher::String),
            "anything-but" => self.anything_but(operand).map(ValueMatcher::AnythingBut),
            "numeric" => self.numeric(operand),
            "cidr" => self.cidr(operand),
            "exists" => match operand {
                Value::Bool(exists) => Ok(ValueMatcher::Exists(*exists)),
                _ => self.error(format!("expected true or false in `exists`, found {}", type_name(operand))),
            },
            name => self.error(format!("expected {OPERATORS}, found {name:?}")),
        }
    }

    fn string(&self, name: &str, operand: &Value) -> Result<String, PatternError> {
        match operand {
            Value::String(text) => Ok(text.clone()),
            _ => self.error(format!("expected a string in `{name}`, found {}", type_name(operand))),
        }
    }

    /// Parses `prefix` and `suffix`, which may ignore case.
    fn affix(&mut self, name: &str, operand: &Value) -> Result<StringMatcher, PatternError> {
        let Value::Object(inner) = operand else { return self.string_matcher(name, operand) };
        let (inner_name, wanted) = self.single_operator(inner)?;
        self.descend(PatternStep::Field(inner_name.clone()), |this| {
            if inner_name != "equals-ignore-case" {
                return this
                    .error(format!("expected `equals-ignore-case` inside `{name}`, found {inner_name:?}"));
            }
            let wanted = this.string(inner_name, wanted)?.to_lowercase();
            Ok(if name == "prefix" {
                StringMatcher::PrefixIgnoreCase(wanted)
            } else {
                StringMatcher::SuffixIgnoreCase(wanted)
            })
        })
    }

    fn string_matcher(&self, name: &str, operand: &Value) -> Result<StringMatcher, PatternError> {
        let wanted = self.string(name, operand)?;
        Ok(match name {
            "prefix" => StringMatcher::Prefix(wanted),
            "suffix" => StringMatcher::Suffix(wanted),
            "equals-ignore-case" => StringMatcher::EqualsIgnoreCase(wanted.to_lowercase()),
            _ => {
                return wildcard::parse(&wanted)
                    .map(StringMatcher::Wildcard)
                    .or_else(|reason| self.error(reason));
            }
        })
    }

    fn anything_but(&mut self, operand: &Value) -> Result<ExcludedValues, PatternError> {
        match operand {
            Value::String(_) | Value::Number(_) => self.excluded_values(std::slice::from_ref(operand)),
            Value::Array(values) => self.excluded_values(values),
            Value::Object(inner) => {
                let (name, wanted) = self.single_operator(inner)?;
                self.descend(PatternStep::Field(name.clone()), |this| this.excluded_matchers(name, wanted))
            }
            Value::Bool(_) | Value::Null => self.error(format!(
                "expected a string, a number, an array of either or an operator in `anything-but`, found {}",
                type_name(operand)
            )),
        }
    }

    fn excluded_values(&self, values: &[Value]) -> Result<ExcludedValues, PatternError> {
        let strings: Vec<String> =
            values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect();
        let numbers: Vec<Number> = values.iter().filter_map(|value| value.as_number().cloned()).collect();
        if values.is_empty() {
            return self.error("expected at least one value in `anything-but`, found an empty array");
        }
        if strings.len() == values.len() {
            return Ok(ExcludedValues::Strings(strings));
        }
        if numbers.len() != values.len() {
            return self.error(
                "expected only strings or only numbers in `anything-but`, found other or mixed values",
            );
        }
        match numbers.iter().find(|number| !in_range(number)) {
            Some(number) => self.out_of_range(number),
            None => Ok(ExcludedValues::Numbers(numbers)),
        }
    }

    fn excluded_matchers(&self, name: &str, wanted: &Value) -> Result<ExcludedValues, PatternError> {
        if !["prefix", "suffix", "equals-ignore-case", "wildcard"].contains(&name) {
            return self.error(format!(
                "expected `prefix`, `suffix`, `equals-ignore-case` or `wildcard` inside `anything-but`, found {name:?}"
            ));
        }
        let all = match wanted {
            Value::Array(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        let empty = |value: &Value| value.as_str() == Some("") && (name == "prefix" || name == "suffix");
        if all.is_empty() || all.iter().any(empty) {
            return self.error(format!("expected a non-empty value in `{name}`, found an empty one"));
        }
        all.iter()
            .map(|one| self.string_matcher(name, one))
            .collect::<Result<_, _>>()
            .map(ExcludedValues::Matchers)
    }

    /// Parses `["=", 5]`, `[">", 0]` or `[">", 0, "<=", 5]`.
    fn numeric(&self, operand: &Value) -> Result<ValueMatcher, PatternError> {
        const USAGE: &str = "expected a comparison such as `[\">=\", 5]` or a range such as `[\">\", 0, \"<=\", 5]` in `numeric`";
        let Value::Array(terms) = operand else { return self.error(USAGE) };
        let mut ends = Vec::new();
        for pair in terms.chunks(2) {
            let [Value::String(operator), Value::Number(number)] = pair else { return self.error(USAGE) };
            if !in_range(number) {
                return self.out_of_range(number);
            }
            let value = number.as_f64().unwrap_or_default();
            ends.push((operator.as_str(), NumberBound { value, inclusive: operator.contains('=') }));
        }
        let range = |from, to| Ok(ValueMatcher::Numeric { from, to });
        match ends.as_slice() {
            [("=", bound)] => range(Some(*bound), Some(*bound)),
            [(">" | ">=", from)] => range(Some(*from), None),
            [("<" | "<=", to)] => range(None, Some(*to)),
            [(">" | ">=", from), ("<" | "<=", to)] if from.value < to.value => range(Some(*from), Some(*to)),
            [(">" | ">=", from), ("<" | "<=", to)] => self.error(format!(
                "expected a lower bound below the upper bound in `numeric`, found {} and {}",
                from.value, to.value
            )),
            _ => self.error(USAGE),
        }
    }

    fn out_of_range<T>(&self, number: &Number) -> Result<T, PatternError> {
        self.error(format!("expected a number from -5e9 to 5e9, found {number}"))
    }

    fn cidr(&self, operand: &Value) -> Result<ValueMatcher, PatternError> {
        let text = self.string("cidr", operand)?;
        let matcher = text.split_once('/').and_then(|(address, bits)| {
            let network: IpAddr = address.parse().ok()?;
            let bits: u8 = bits.parse().ok()?;
            Some(ValueMatcher::Cidr { network, bits })
                .filter(|_| bits <= if network.is_ipv4() { 32 } else { 128 })
        });
        let reason = || {
            format!("expected a network such as `10.0.0.0/24` or `2001:db8::/32` in `cidr`, found {text:?}")
        };
        matcher.map_or_else(|| self.error(reason()), Ok)
    }
}

/// Returns the name of a value's type for messages.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn in_range(number: &Number) -> bool {
    number.as_f64().is_some_and(|value| value.abs() <= MAX_ABS_NUMBER)
}
