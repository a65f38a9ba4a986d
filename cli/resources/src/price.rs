//! Prices of AWS, and the sum of what an app uses.

/// The price of one part of a kind: a unit that AWS bills.
#[derive(Debug)]
pub struct Price {
    /// The unit that is billed: `million write request units`.
    pub unit: &'static str,
    /// Returns the price of a quantity in a month, in US dollars.
    pub usd: fn(f64) -> f64,
    /// The page of AWS that the price is from.
    pub source: &'static str,
}

/// The quantities that an app uses in a month, by the price that they are billed at.
#[derive(Clone, Debug, Default)]
pub struct Usage(Vec<(&'static Price, f64)>);

impl Usage {
    /// Adds a quantity of a unit.
    #[must_use]
    pub fn and(mut self, price: &'static Price, quantity: f64) -> Self {
        match self.0.iter_mut().find(|(other, _)| std::ptr::eq(*other, price)) {
            Some((_, sum)) => *sum += quantity,
            None => self.0.push((price, quantity)),
        }
        self
    }

    /// Returns the price of all of it in US dollars.
    pub fn usd(&self) -> f64 {
        self.0.iter().map(|(price, quantity)| (price.usd)(*quantity)).sum()
    }
}
