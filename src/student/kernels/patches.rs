//! The neighbourhoods of the student's first convolution, gathered so that it becomes a matrix product too.

use std::ops::Range;

use super::window::Window;

/// Neighbourhoods of `pixels`, `[batch, planes, height, width]`, one row of `planes * kernel * kernel` values an output
/// pixel, in the order of a convolution's weight `[out, planes, kernel, kernel]`.
pub(super) struct Patches<'a> {
    pub pixels: &'a [f32],
    pub planes: usize,
    pub window: Window,
}

impl Patches<'_> {
    pub(crate) fn width(&self) -> usize {
        self.planes * self.window.kernel * self.window.kernel
    }

    /// Calls `visit(index into pixels, index into the row)` for every pixel that output pixel `row` sees.
    #[inline]
    fn for_each_tap(&self, row: usize, mut visit: impl FnMut(usize, usize)) {
        let w = &self.window;
        let (image, y, x) =
            (row / (w.out_height * w.out_width), row / w.out_width % w.out_height, row % w.out_width);
        for plane in 0..self.planes {
            for ky in 0..w.kernel {
                let Some(y) = w.in_row(y, ky) else { continue };
                let line = ((image * self.planes + plane) * w.in_height + y) * w.in_width;
                for kx in 0..w.kernel {
                    if let Some(x) = w.in_column(x, kx) {
                        visit(line + x, (plane * w.kernel + ky) * w.kernel + kx);
                    }
                }
            }
        }
    }

    /// `out[row, width]`: the pixels that the given output pixels see, zero outside the image.
    pub(crate) fn gather(&self, rows: Range<usize>, out: &mut [f32]) {
        out.fill(0.0);
        for (row, out) in rows.zip(out.chunks_exact_mut(self.width())) {
            self.for_each_tap(row, |pixel, tap| out[tap] = self.pixels[pixel]);
        }
    }

    /// The transpose of [`gather`](Self::gather): adds the gradient of every row's taps to that of the pixels.
    pub(crate) fn scatter(&self, gradient: &[f32], pixels: &mut [f32]) {
        for (row, gradient) in gradient.chunks_exact(self.width()).enumerate() {
            self.for_each_tap(row, |pixel, tap| pixels[pixel] += gradient[tap]);
        }
    }
}
