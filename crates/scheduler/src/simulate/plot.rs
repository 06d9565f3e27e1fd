//! Curves over time as a drawing (SVG 1.1).

use std::fmt::Write as _;

use super::jobs::Outcome;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 320.0;
const MARGIN: f64 = 60.0;
/// Points of a curve.
const POINTS: usize = 300;

/// The drawings of an outcome, as file names and texts.
#[must_use]
pub fn plots(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let moments = |of: fn(&super::Moment) -> f64| -> Vec<(f64, f64)> {
        let moments = outcome.moments.iter();
        moments.map(|moment| (moment.at_s, of(moment))).collect()
    };
    let held = |values: &[(f64, f64)]| over_time(values, outcome.makespan_s);
    let used = held(&moments(|moment| moment.used_percent));
    let fragmented = held(&moments(|moment| moment.fragmented_percent));
    let delays = means(&outcome.waits, outcome.makespan_s);
    vec![
        (
            "utilisation.svg",
            drawn("GPUs in use, percent of all", &used, outcome.makespan_s),
        ),
        (
            "queue_delay.svg",
            drawn(
                "Mean queue delay by time of submission, seconds",
                &delays,
                outcome.makespan_s,
            ),
        ),
        (
            "fragmentation.svg",
            drawn(
                "Free GPUs on nodes partly in use, percent of all",
                &fragmented,
                outcome.makespan_s,
            ),
        ),
    ]
}

/// The mean of a value that holds until the next one, in each of equal parts of the time.
fn over_time(values: &[(f64, f64)], until: f64) -> Vec<f64> {
    let part = until / POINTS as f64;
    let mut sums = vec![0.0; POINTS];
    let ends = values.iter().skip(1).map(|(at, _)| *at).chain([until]);
    for ((from, value), to) in values.iter().zip(ends) {
        let first = (from / part) as usize;
        for (at, sum) in sums.iter_mut().enumerate().skip(first) {
            let (begin, end) = (at as f64 * part, (at + 1) as f64 * part);
            if begin >= to {
                break;
            }
            *sum += value * (to.min(end) - from.max(begin)).max(0.0);
        }
    }
    sums.into_iter()
        .map(|sum| if part > 0.0 { sum / part } else { 0.0 })
        .collect()
}

/// The mean of the values in each of equal parts of the time; 0 where there are none.
fn means(values: &[(f64, f64)], until: f64) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); POINTS];
    for (at, value) in values {
        let part = (at / until.max(1.0) * POINTS as f64) as usize;
        if let Some((sum, count)) = sums.get_mut(part.min(POINTS - 1)) {
            *sum += value;
            *count += 1.0;
        }
    }
    sums.into_iter()
        .map(|(sum, count)| if count > 0.0 { sum / count } else { 0.0 })
        .collect()
}

fn drawn(title: &str, values: &[f64], until: f64) -> String {
    let most = values
        .iter()
        .copied()
        .fold(0.0, f64::max)
        .max(f64::MIN_POSITIVE);
    let step = (WIDTH - 2.0 * MARGIN) / POINTS as f64;
    let mut points = String::new();
    for (at, value) in values.iter().enumerate() {
        let x = MARGIN + (at as f64 + 0.5) * step;
        let y = HEIGHT - MARGIN - value / most * (HEIGHT - 2.0 * MARGIN);
        // Writing into a string cannot fail.
        write!(points, "{x:.1},{y:.1} ").ok();
    }
    let (right, bottom, days) = (WIDTH - MARGIN, HEIGHT - MARGIN, until / 86_400.0);
    let below = bottom + 20.0;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="{MARGIN}" y="30">{title}</text>
<path d="M{MARGIN},{MARGIN} V{bottom} H{right}" fill="none" stroke="#888"/>
<text x="4" y="{MARGIN}">{most:.1}</text>
<text x="4" y="{bottom}">0</text>
<text x="{MARGIN}" y="{below}">0</text>
<text x="{right}" y="{below}" text-anchor="end">{days:.2} days</text>
<polyline points="{points}" fill="none" stroke="#1769aa" stroke-width="1.5"/>
</svg>
"##
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::Moment;

    #[test]
    fn a_curve_shows_what_held_and_for_how_long() {
        let half = over_time(&[(0.0, 100.0), (50.0, 0.0)], 100.0);
        assert!((half[0] - 100.0).abs() < 1e-9, "{half:?}");
        assert_eq!(half.last(), Some(&0.0));
        let mean = half.iter().sum::<f64>() / half.len() as f64;
        assert!((mean - 50.0).abs() < 1e-9, "{mean}");
        assert_eq!(means(&[(0.0, 2.0), (0.0, 4.0)], 100.0).first(), Some(&3.0));
    }

    #[test]
    fn there_is_a_drawing_of_each() {
        let moment = Moment {
            at_s: 0.0,
            used_percent: 50.0,
            fragmented_percent: 10.0,
        };
        let outcome = Outcome {
            moments: vec![moment],
            makespan_s: 86_400.0,
            ..Outcome::default()
        };
        let plots = plots(&outcome);
        assert_eq!(plots.len(), 3);
        assert!(
            plots
                .iter()
                .all(|(_, text)| text.starts_with("<svg") && text.ends_with("</svg>\n"))
        );
        assert!(plots[0].1.contains("1.00 days"));
    }
}
