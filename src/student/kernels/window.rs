//! Where a convolution's output pixels look.

/// How the border is filled up with zeros before a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    /// TensorFlow's `SAME`, `ceil(size / stride)` outputs; an odd zero goes below and to the right.
    Same,
    /// `kernel / 2` zeros on every side of an odd kernel: PyTorch's `padding = kernel // 2`.
    Centred,
}

/// A square window's extent over one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub kernel: usize,
    pub stride: usize,
    /// Rows of zeros above and columns of zeros before the image.
    pub top: usize,
    pub left: usize,
    pub in_height: usize,
    pub in_width: usize,
    pub out_height: usize,
    pub out_width: usize,
}

impl Padding {
    /// (zeros before, outputs) along a side of `size` pixels.
    pub(in crate::student) fn along(self, size: usize, kernel: usize, stride: usize) -> (usize, usize) {
        match self {
            Self::Same => {
                let outputs = size.div_ceil(stride);
                (((outputs - 1) * stride + kernel).saturating_sub(size) / 2, outputs)
            }
            Self::Centred => (kernel / 2, (size - 1) / stride + 1),
        }
    }
}

impl Window {
    pub(crate) fn new(
        padding: Padding,
        kernel: usize,
        stride: usize,
        in_height: usize,
        in_width: usize,
    ) -> Self {
        let (top, out_height) = padding.along(in_height, kernel, stride);
        let (left, out_width) = padding.along(in_width, kernel, stride);
        Self { kernel, stride, top, left, in_height, in_width, out_height, out_width }
    }

    /// The image row under output row `y`'s tap `ky`, unless it is padding.
    #[inline]
    pub(crate) fn in_row(&self, y: usize, ky: usize) -> Option<usize> {
        (y * self.stride + ky).checked_sub(self.top).filter(|&y| y < self.in_height)
    }

    /// The image column under output column `x`'s tap `kx`, unless it is padding.
    #[inline]
    pub(crate) fn in_column(&self, x: usize, kx: usize) -> Option<usize> {
        (x * self.stride + kx).checked_sub(self.left).filter(|&x| x < self.in_width)
    }
}

/// The transpose: which output pixels look at an image pixel.
impl Window {
    /// (tap, output row) for each tap under which image row `y` lies; the row is `None` where it is outside the output.
    pub(crate) fn taps_of_row(&self, y: usize) -> Vec<(usize, Option<usize>)> {
        let last = self.kernel - 1;
        (0..self.kernel)
            .filter(|ky| (y + self.top + last - ky) % self.stride == last % self.stride)
            .map(|ky| {
                (ky, (y + self.top).checked_sub(ky).map(|y| y / self.stride).filter(|&y| y < self.out_height))
            })
            .collect()
    }

    /// (tap, output column) for each tap under which image column `x` lies; the column can lie outside the output.
    pub(crate) fn taps_of_column(&self, x: usize) -> impl Iterator<Item = (usize, isize)> + use<> {
        let (x, stride) = ((x + self.left) as isize, self.stride as isize);
        (0..self.kernel as isize)
            .filter(move |kx| (x - kx) % stride == 0)
            .map(move |kx| (kx as usize, (x - kx).div_euclid(stride)))
    }
}
