//! Bar charts as plain numbers for `templates/chart.html`: drawn by the server, without script, read as a table beneath.

/// Where the bars stand, in units of the drawing.
const WIDTH: i64 = 720;
const HEIGHT: i64 = 180;
const LEFT: i64 = 8;
const TOP: i64 = 12;
/// Room for labels under the bars.
const BOTTOM: i64 = 22;
/// More labels than this run into each other.
const LABELS_MAX: usize = 8;

/// A chart that is ready to be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// What it shows, for people who do not see it.
    pub title: String,
    /// The drawing's size.
    pub view_box: String,
    /// Where the bars stand on.
    pub base: i64,
    /// Its right end.
    pub right: i64,
    /// What the highest bar is worth.
    pub highest: String,
    /// The bars, from left to right.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Left edge.
    pub x: i64,
    /// Upper edge.
    pub y: i64,
    /// Width.
    pub width: i64,
    /// Height.
    pub height: i64,
    /// What it stands for and is worth.
    pub words: String,
    /// What stands under it; empty for most where there are many.
    pub label: String,
    /// The middle of the label.
    pub middle: i64,
}

/// One value of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// What it stands for.
    pub label: String,
    /// How much, never below zero.
    pub value: i64,
    /// The same for people.
    pub words: String,
}

/// A chart of these values; `None` where all are nothing.
pub fn bars(title: impl Into<String>, points: &[Point]) -> Option<Chart> {
    let highest = points.iter().max_by_key(|point| point.value).filter(|point| point.value > 0)?;
    let count = i64::try_from(points.len()).ok()?;
    let (room, base) = (HEIGHT - TOP - BOTTOM, HEIGHT - BOTTOM);
    let every = points.len().div_ceil(LABELS_MAX).max(1);
    let bar = |(place, point): (usize, &Point)| {
        let place_number = i64::try_from(place).unwrap_or(0);
        let (left, right) = (place_number * (WIDTH - LEFT) / count, (place_number + 1) * (WIDTH - LEFT) / count);
        let gap = ((right - left) / 5).min(12);
        // In 128 bits: nano-dollars times units of the drawing. What is not nothing is seen.
        let scaled = i128::from(point.value.max(0)) * i128::from(room) / i128::from(highest.value);
        let height = i64::try_from(scaled).unwrap_or(room).max(i64::from(point.value > 0) * 2);
        let width = (right - left - gap).max(1);
        Bar {
            x: LEFT + left,
            y: base - height,
            width,
            height,
            words: format!("{}: {}", point.label, point.words),
            label: if place % every == 0 { point.label.clone() } else { String::new() },
            middle: LEFT + left + width / 2,
        }
    };
    Some(Chart {
        title: title.into(),
        view_box: format!("0 0 {WIDTH} {HEIGHT}"),
        base,
        right: WIDTH,
        highest: highest.words.clone(),
        bars: points.iter().enumerate().map(bar).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(label: &str, value: i64) -> Point {
        Point { label: label.to_owned(), value, words: format!("${value}") }
    }

    #[test]
    fn bars_stay_inside_and_small_ones_are_seen() {
        let chart = bars("Spend", &[point("a", i64::MAX), point("b", 1), point("c", 0)]).unwrap();
        let heights: Vec<i64> = chart.bars.iter().map(|bar| bar.height).collect();
        assert_eq!(heights, [HEIGHT - TOP - BOTTOM, 2, 0]);
        assert!(
            chart.bars.iter().all(|bar| bar.y >= TOP && bar.x + bar.width <= WIDTH && bar.y + bar.height == chart.base)
        );
        assert_eq!(chart.bars[1].words, "b: $1");
    }

    #[test]
    fn many_bars_have_few_labels_and_nothing_has_no_chart() {
        let points: Vec<_> = (0..366).map(|day| point(&day.to_string(), day)).collect();
        let chart = bars("Spend", &points).unwrap();
        assert!(chart.bars.iter().filter(|bar| !bar.label.is_empty()).count() <= LABELS_MAX);
        assert!(chart.bars.iter().all(|bar| bar.width >= 1));
        assert_eq!(bars("Spend", &[point("a", 0)]), None);
        assert_eq!(bars("Spend", &[]), None);
    }
}
