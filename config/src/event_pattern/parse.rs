//! Reads patterns, and says what `EventBridge` refuses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::wildcard;
use super::{Bound, Combination, MAX_COMBINATIONS, Not, Refusal, Step, Test, Text};

/// Numbers are compared between these only (user guide, "Numeric matching").
const MAX_NUMBER: f64 = 5e9;
/// Names of operators, which are no names of fields inside `$or` (`Constants` of `event-ruler`).
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

/// Every way in which the pattern can match.
pub(super) fn combinations(pattern: &Value) -> Result<Vec<Combination>, Refusal> {
    let Value::Object(fields) = pattern else {
        return Err(Refusal::new(&[], "a pattern is an object"));
    };
    let mut reader = Reader { at: Vec::new(), name: Vec::new(), in_or: 0 };
    reader.object(fields, vec![BTreeMap::new()])
}

struct Reader {
    at: Vec<Step>,
    name: Vec<String>,
    in_or: usize,
}

impl Reader {
    fn refuse<T>(&self, message: impl Into<String>) -> Result<T, Refusal> {
        Err(Refusal::new(&self.at, message))
    }

    fn under<T>(
        &mut self,
        step: Step,
        read: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.at.push(step);
        let read = read(self)?;
        self.at.pop();
        Ok(read)
    }

    /// Adds the fields of an object to each of the combinations so far.
    fn object(
        &mut self,
        fields: &Map<String, Value>,
        mut so_far: Vec<Combination>,
    ) -> Result<Vec<Combination>, Refusal> {
        if fields.is_empty() {
            return self.refuse("an empty object would match nothing");
        }
        for (name, value) in fields {
            so_far = self.under(Step::Field(name.clone()), |this| this.field(name, value, so_far))?;
        }
        Ok(so_far)
    }

    fn field(
        &mut self,
        name: &str,
        value: &Value,
        mut so_far: Vec<Combination>,
    ) -> Result<Vec<Combination>, Refusal> {
        if name == "$or" {
            return self.either(value, &so_far);
        }
        if self.in_or > 0 && RESERVED.contains(&name) {
            return self.refuse(format!("inside `$or` no field can be called `{name}`"));
        }
        self.name.push(name.to_owned());
        match value {
            Value::Object(inner) => so_far = self.object(inner, so_far)?,
            Value::Array(values) => {
                let tests = self.tests(values)?;
                let joined = self.name.join(".");
                for combination in &mut so_far {
                    combination.insert(joined.clone(), Arc::clone(&tests));
                }
            }
            _ => return self.refuse("a value to match stands in a list"),
        }
        self.name.pop();
        Ok(so_far)
    }

    fn either(&mut self, value: &Value, so_far: &[Combination]) -> Result<Vec<Combination>, Refusal> {
        let Value::Array(branches) = value else { return self.refuse("`$or` takes a list of objects") };
        if branches.len() < 2 {
            return self.refuse("`$or` takes two objects or more");
        }
        let mut all = Vec::new();
        self.in_or += 1;
        for (index, branch) in branches.iter().enumerate() {
            let more = self.under(Step::Index(index), |this| match branch {
                Value::Object(fields) => this.object(fields, so_far.to_vec()),
                _ => this.refuse("`$or` takes objects only"),
            })?;
            all.extend(more);
            if all.len() > MAX_COMBINATIONS {
                return self.refuse(format!("`$or` makes more than {MAX_COMBINATIONS} combinations"));
            }
        }
        self.in_or -= 1;
        Ok(all)
    }

    fn tests(&mut self, values: &[Value]) -> Result<Arc<[Test]>, Refusal> {
        if values.is_empty() {
            return self.refuse("an empty list would match nothing");
        }
        let read = |(index, value)| self.under(Step::Index(index), |this| this.test(value));
        values.iter().enumerate().map(read).collect()
    }

    fn test(&mut self, value: &Value) -> Result<Test, Refusal> {
        match value {
            Value::Array(_) => self.refuse("a value to match is no list"),
            Value::Object(operator) => {
                let (name, operand) = self.only(operator)?;
                self.under(Step::Field(name.clone()), |this| this.operator(name, operand))
            }
            value => Ok(Test::Exactly(value.clone())),
        }
    }

    /// The one operator of an object.
    fn only<'a>(&self, operator: &'a Map<String, Value>) -> Result<(&'a String, &'a Value), Refusal> {
        let mut all = operator.iter();
        match (all.next(), all.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => self.refuse(format!("an empty object is no operator; it takes {OPERATORS}")),
            _ => self.refuse("an object holds one operator only"),
        }
    }

    fn operator(&mut self, name: &str, operand: &Value) -> Result<Test, Refusal> {
        match name {
            "exactly" => Ok(Test::Exactly(Value::String(self.string(name, operand)?))),
            "prefix" | "suffix" => self.affix(name, operand).map(Test::Text),
            "equals-ignore-case" | "wildcard" => self.text(name, operand).map(Test::Text),
            "anything-but" => self.anything_but(operand).map(Test::AnythingBut),
            "numeric" => self.numeric(operand),
            "cidr" => self.cidr(operand),
            "exists" => match operand {
                Value::Bool(exists) => Ok(Test::Exists(*exists)),
                _ => self.refuse("`exists` takes true or false"),
            },
            name => self.refuse(format!("there is no operator `{name}`; EventBridge knows {OPERATORS}")),
        }
    }

    fn string(&self, name: &str, operand: &Value) -> Result<String, Refusal> {
        match operand {
            Value::String(text) => Ok(text.clone()),
            _ => self.refuse(format!("`{name}` takes a string")),
        }
    }

    /// `prefix` and `suffix`, which may ignore case.
    fn affix(&mut self, name: &str, operand: &Value) -> Result<Text, Refusal> {
        let Value::Object(inner) = operand else { return self.text(name, operand) };
        let (inner_name, wanted) = self.only(inner)?;
        self.under(Step::Field(inner_name.clone()), |this| {
            if inner_name != "equals-ignore-case" {
                return this.refuse(format!("inside `{name}` only `equals-ignore-case` can stand"));
            }
            let wanted = this.string(inner_name, wanted)?.to_lowercase();
            Ok(if name == "prefix" { Text::PrefixIgnoreCase(wanted) } else { Text::SuffixIgnoreCase(wanted) })
        })
    }

    fn text(&self, name: &str, operand: &Value) -> Result<Text, Refusal> {
        let wanted = self.string(name, operand)?;
        Ok(match name {
            "prefix" => Text::Prefix(wanted),
            "suffix" => Text::Suffix(wanted),
            "equals-ignore-case" => Text::EqualsIgnoreCase(wanted.to_lowercase()),
            _ => return wildcard::parse(&wanted).map(Text::Wildcard).or_else(|why| self.refuse(why)),
        })
    }

    fn anything_but(&mut self, operand: &Value) -> Result<Not, Refusal> {
        match operand {
            Value::String(_) | Value::Number(_) => self.but_values(std::slice::from_ref(operand)),
            Value::Array(values) => self.but_values(values),
            Value::Object(inner) => {
                let (name, wanted) = self.only(inner)?;
                self.under(Step::Field(name.clone()), |this| this.but_texts(name, wanted))
            }
            Value::Bool(_) | Value::Null => self
                .refuse("`anything-but` takes a string, a number, a list of one of the two, or an operator"),
        }
    }

    fn but_values(&self, values: &[Value]) -> Result<Not, Refusal> {
        let strings: Vec<String> =
            values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect();
        let numbers: Vec<Number> = values.iter().filter_map(|value| value.as_number().cloned()).collect();
        if values.is_empty() {
            return self.refuse("the list of `anything-but` is empty");
        }
        if strings.len() == values.len() {
            return Ok(Not::Strings(strings));
        }
        if numbers.len() != values.len() {
            return self.refuse("the list of `anything-but` holds strings only, or numbers only");
        }
        match numbers.iter().find(|number| !in_range(number)) {
            Some(number) => self.out_of_range(number),
            None => Ok(Not::Numbers(numbers)),
        }
    }

    fn but_texts(&self, name: &str, wanted: &Value) -> Result<Not, Refusal> {
        if !["prefix", "suffix", "equals-ignore-case", "wildcard"].contains(&name) {
            return self.refuse(
                "inside `anything-but` only `prefix`, `suffix`, `equals-ignore-case` and `wildcard` can stand",
            );
        }
        let all = match wanted {
            Value::Array(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        let empty = |value: &Value| value.as_str() == Some("") && (name == "prefix" || name == "suffix");
        if all.is_empty() || all.iter().any(empty) {
            return self.refuse(format!("`{name}` is empty, and nothing would match"));
        }
        all.iter().map(|one| self.text(name, one)).collect::<Result<_, _>>().map(Not::Texts)
    }

    /// `["=", 5]`, `[">", 0]`, `[">", 0, "<=", 5]`.
    fn numeric(&self, operand: &Value) -> Result<Test, Refusal> {
        const SHAPE: &str = "`numeric` takes a list such as [\">\", 0, \"<=\", 5]: `=`, `<`, `<=`, `>` or `>=` with a number, \
                             or a lower end and then an upper one";
        let Value::Array(terms) = operand else { return self.refuse(SHAPE) };
        let mut ends = Vec::new();
        for pair in terms.chunks(2) {
            let [Value::String(operator), Value::Number(number)] = pair else { return self.refuse(SHAPE) };
            if !in_range(number) {
                return self.out_of_range(number);
            }
            let value = number.as_f64().unwrap_or_default();
            ends.push((operator.as_str(), Bound { value, included: operator.contains('=') }));
        }
        let range = |from, to| Ok(Test::Numeric { from, to });
        match ends.as_slice() {
            [("=", at)] => range(Some(*at), Some(*at)),
            [(">" | ">=", from)] => range(Some(*from), None),
            [("<" | "<=", to)] => range(None, Some(*to)),
            [(">" | ">=", from), ("<" | "<=", to)] if from.value < to.value => range(Some(*from), Some(*to)),
            [(">" | ">=", _), ("<" | "<=", _)] => {
                self.refuse("the lower end of `numeric` is not below the upper one")
            }
            _ => self.refuse(SHAPE),
        }
    }

    fn out_of_range<T>(&self, number: &Number) -> Result<T, Refusal> {
        self.refuse(format!("{number} is out of range: EventBridge compares numbers between -5e9 and 5e9"))
    }

    fn cidr(&self, operand: &Value) -> Result<Test, Refusal> {
        let text = self.string("cidr", operand)?;
        let parts = text.split_once('/').and_then(|(address, bits)| {
            let network: IpAddr = address.parse().ok()?;
            let bits: u8 = bits.parse().ok()?;
            Some(Test::Cidr { network, bits }).filter(|_| bits <= if network.is_ipv4() { 32 } else { 128 })
        });
        let why = "`cidr` takes an address and its bits, such as `10.0.0.0/24` or `2001:db8::/32`";
        parts.map_or_else(|| self.refuse(why), Ok)
    }
}

fn in_range(number: &Number) -> bool {
    number.as_f64().is_some_and(|value| value.abs() <= MAX_NUMBER)
}
